"""A Jupyter server without pauses between its messages to the browser.

jupyter lab --ServerApp.kernel_websocket_connection_class=helpers.server.PromptConnection
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """A kernel's connection to the browser that sends each message at once.

    Else a small message waits until the browser has acknowledged the one before, and for that the browser takes up to
    40 ms: both sides save packets (Nagle's algorithm, delayed acknowledgement). A hand on a slider feels it.
    """

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()
