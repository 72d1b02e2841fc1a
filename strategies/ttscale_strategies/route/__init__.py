"""Strategies that choose which of several models answers a question."""

from __future__ import annotations

from ttscale_strategies.route.fitting import fit_router
from ttscale_strategies.route.gain import RoutingGain, routing_gain
from ttscale_strategies.route.route import Route
from ttscale_strategies.route.router import Router, load_router

__all__ = ["Route", "Router", "RoutingGain", "fit_router", "load_router", "routing_gain"]
