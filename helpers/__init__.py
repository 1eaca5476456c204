"""The code that the notebooks share: data, network, training, deconvnet, plotting and widgets."""
