{%- extends "base.tpl" -%}
{%- block title -%}Not found{%- endblock -%}
{%- block body -%}
<p>The graded notebook of this submission is not there: {{ resources.filename }}</p>
{%- endblock -%}
