"""Markup that would run a script or ask for something, of all kinds that are known to do so in a browser.

Each one does its harm: it notes its number in the window on top, or asks for an address that ends with it.
"""

# Without a quote, a space or a sign of equality, so that it stands anywhere. `START` comes before.
HARM = "top.ran.push({number})"
START = "window.ran = []"

# {js} is the harm, {url} the address. What waits for the mouse or the keys gets both in the tests.
PAYLOADS = {
    "script": [
        "<script>{js}</script>",
        '<script src="{url}"></script>',
        "<SCRIPT/x>{js}</SCRIPT >",
        "<script type=module>{js}</script>",
        "<script src=data:text/javascript,{js}></script>",
        '<noscript><p title="</noscript><script>{js}</script>"></noscript>',
        "<svg></svg><script>{js}</script>",
    ],
    "handlers": [
        "<img src=x onerror={js}>",
        "<body onload={js}>",
        "<details open ontoggle={js}>x</details>",
        "<video><source src=x onerror={js}></video>",
        "<audio src=x onerror={js}></audio>",
        "<input autofocus onfocus={js}>",
        "<p onclick={js}>x</p>",
        "<b onmouseover={js}>x</b>",
        "<style onload={js}></style>",
        "<table background=x><td><img src=x:x onerror={js}></td></table>",
    ],
    "SVG": [
        "<svg onload={js}></svg>",
        "<svg><script>{js}</script></svg>",
        "<svg><animate onbegin={js} attributeName=x dur=1s></animate></svg>",
        '<svg><a href="javascript:{js}"><text y=20>x</text></a></svg>',
        "<svg><foreignObject><img src=x onerror={js}></foreignObject></svg>",
        '<svg><image href="{url}"></image></svg>',
    ],
    "MathML": [
        "<math><mtext><script>{js}</script></mtext></math>",
        '<math><annotation-xml encoding="text/html"><img src=x onerror={js}></annotation-xml></math>',
        '<math><mi style="background:url({url})">x</mi></math>',
        "<math><mi onclick={js}>x</mi></math>",
        "<math><mtext><table><mglyph><svg><mtext><img src=x onerror={js}></mtext></svg></table></mtext></math>",
        r"$\text{{<script>{js}</script>}}$",
        r'$\text{{<img/src="x:x"onerror={js}>}}$',
        r"$$\text{{<svg/onload={js}></svg>}}$$",
    ],
    "iframe": [
        '<iframe src="{url}"></iframe>',
        '<iframe srcdoc="<script>{js}</script>"></iframe>',
        '<iframe src="javascript:{js}"></iframe>',
        '<object data="{url}"></object>',
        '<embed src="{url}">',
    ],
    "style": [
        "<style>body{{background:url({url})}}</style>",
        '<style>@import "{url}";</style>',
        '<link rel=stylesheet href="{url}">',
        '<div style="background:url({url})">x</div>',
        '<ul style="list-style-image:url({url})"><li>x</li></ul>',
        "<style>@font-face{{font-family:z;src:url({url})}}b{{font-family:z}}</style><b>z</b>",
    ],
    "base": ['<base href="{url}/"><img src=x>', '<base href="{url}/"><link rel=stylesheet href=x>'],
    "meta": [
        '<meta http-equiv=refresh content="0;url={url}">',
        "<META HTTP-EQUIV=Refresh CONTENT=0,{url}>",
    ],
    "form": [
        '<form action="{url}"><button>x</button></form>',
        '<form><button formaction="javascript:{js}">x</button></form>',
        '<form id=f action="{url}"></form><button form=f>x</button>',
        '<input type=image src="{url}">',
    ],
    "data addresses": [
        "<iframe src=\"data:text/html,<script>new(Image)().src='{url}'</script>\"></iframe>",
        '<object data="data:text/html,<img src={url}>"></object>',
        '<embed type="text/html" src="data:text/html,<img src={url}>">',
    ],
    "javascript addresses": [
        "[x](javascript:{js})",
        '<a href="javascript:{js}">x</a>',
        '<a href="java&#10;script:{js}">x</a>',
        '<a href=" &#1; JaVaScRiPt:{js}">x</a>',
        '<map name=m{number}><area shape=default href="javascript:{js}"></map>',
    ],
    "pictures from elsewhere": [
        "![x]({url})",
        '<img src="{url}">',
        '<img srcset="{url} 1x">',
        '<picture><source srcset="{url}"><img src=x></picture>',
        '<video poster="{url}"></video>',
        '<audio src="{url}" preload=auto></audio>',
        '<link rel=preload as=image href="{url}">',
    ],
    "broken tags": [
        "<div><img src=x onerror={js}// <p>x</p>",
        "<<script>{js}//<</script>",
        '<img """><script>{js}</script>">',
        "<!--><script>{js}</script>-->",
        "</textarea></title></style><script>{js}</script>",
        "</pre></div></section></body></html><script>{js}</script>",
        "<div><x/><svg/onload={js}></div>",
        "<div title=\"x\"id='y'=><script>{js}</script>",
        '"><script>{js}</script>',
        "'><img src=x onerror={js}>",
        "</script><script>{js}</script>",
    ],
}
COUNT = sum(map(len, PAYLOADS.values()))


def payloads(address: str, place: int) -> list[str]:
    """All of them for one place of a page. The address is where a listener counts."""
    written = [payload for kind in PAYLOADS.values() for payload in kind]
    numbers = [1000 * place + k for k in range(len(written))]
    return [
        payload.format(js=HARM.format(number=number), url=f"{address}/{number}", number=number)
        for payload, number in zip(written, numbers, strict=True)
    ]
