"""Gateways of VeighNa as sources: whatever fulfils `vnpy.trader.gateway.BaseGateway`."""
