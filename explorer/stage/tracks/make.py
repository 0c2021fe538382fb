"""From a track's key to the track."""

from __future__ import annotations

from engine.tracks import FLOW_TRAINING, NETWORK, NORMS, parse
from explorer.stage.tracks import norm_plot, part_plots
from explorer.stage.tracks.attention import Attention
from explorer.stage.tracks.base import Track
from explorer.stage.tracks.curve import CurveTrack
from explorer.stage.tracks.data import Data
from explorer.stage.tracks.flow_training import FlowTraining
from explorer.stage.tracks.heatmap import Heatmap
from explorer.stage.tracks.network import Unrolled
from explorer.stage.tracks.route_plot import route_plot


def make(key: str) -> Track:
    """Raises SpecError for a text that is no track."""
    track = parse(key)
    if track.what == NETWORK:
        return Unrolled(key)
    if track.what == "data":
        return Data(key)
    if track.what == "attention":
        return Attention(key)
    if track.what == FLOW_TRAINING:
        return FlowTraining(key)
    if track.what == NORMS:
        return CurveTrack(key, norm_plot.title(track), 148, norm_plot.norm_plot(track))
    if track.what == "losses":
        return CurveTrack(key, "Loss per step", 92, part_plots.losses(track))
    if track.what == "share":
        return CurveTrack(key, f"Share in ∂L/∂{part_plots.weight_symbol(track)}", 110, part_plots.share(track))
    if track.what == "growth":
        return CurveTrack(key, f"∂L/∂{part_plots.weight_symbol(track)} fills up", 124, part_plots.growth(track))
    if track.what == "saturation":
        return CurveTrack(key, "Saturation", 110, part_plots.saturation(track))
    if track.what == "singular":
        return CurveTrack(key, "Singular values", 124, part_plots.singular(track))
    if track.what == "routes":
        return CurveTrack(key, "Gradient routes", 124, route_plot(track))
    return Heatmap(key)
