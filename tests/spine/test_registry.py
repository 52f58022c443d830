"""Names, entry points and direct targets; models as data and as folders."""

import json
import sys
from importlib.metadata import EntryPoint

import pytest

from bench import registry
from bench.errors import BenchError
from bench.models import FLUX_1_DEV, POCKET_FLUX, model_spec, with_settings
from bench.suites import Suite


def points(*found):
    return lambda group: [e for e in found if e.group == group]


def test_installed_packages_add_names(monkeypatch):
    mine = EntryPoint("mine", "bench.suites:Suite", "misbench.suites")
    monkeypatch.setattr(registry, "entry_points", points(mine))
    assert registry.resolve("suite", "mine") is Suite
    assert "mine" not in registry.entries("method")


def test_two_targets_for_one_name_are_a_collision(monkeypatch):
    theirs = EntryPoint("ast", "their_package:AST", "misbench.methods")
    monkeypatch.setattr(registry, "entry_points", points(theirs))
    with pytest.raises(BenchError, match="'ast' is registered twice.*their_package:AST"):
        registry.entries("method")
    ours = registry._BUILTIN["method"][1].target
    again = EntryPoint("ast", ours, "misbench.methods")
    monkeypatch.setattr(registry, "entry_points", points(again))
    assert registry.entries("method")["ast"].target == ours


def test_every_builtin_name_resolves():
    for kind in registry.GROUPS:
        for name in registry.entries(kind):
            assert registry.resolve(kind, name) is not None


def test_direct_targets_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "own_method_module.py").write_text("class Own:\n    class Inner: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    own = registry.resolve("method", "own_method_module:Own")
    assert own.__name__ == "Own"
    assert registry.resolve("method", "own_method_module:Own.Inner") is own.Inner
    with pytest.raises(BenchError, match="'Onw'; did you mean 'Own'"):
        registry.resolve("method", "own_method_module:Onw")
    with pytest.raises(BenchError, match="no module 'no_such_module_here'"):
        registry.resolve("method", "no_such_module_here:X")
    with pytest.raises(BenchError, match="module:attribute"):
        registry.resolve("method", ":X")


def test_fault_inside_a_module_is_not_taken_for_an_unknown_name(tmp_path, monkeypatch):
    (tmp_path / "broken_method_module.py").write_text("import not_installed_at_all\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        registry.resolve("method", "broken_method_module:X")


def test_settings_are_checked():
    assert with_settings(POCKET_FLUX, {"true_cfg_scale": 2}).settings.true_cfg_scale == 2.0
    for changes in ({"steps": 0}, {"steps": 2.5}, {"negative_prompt": 3}, {"width": "128"}):
        with pytest.raises(BenchError, match=next(iter(changes))):
            with_settings(POCKET_FLUX, changes)


def test_folder_is_a_model(tmp_path):
    folder = tmp_path / "my-flux"
    (folder / "vae").mkdir(parents=True)
    (folder / "vae" / "config.json").write_text('{"sample_size": 256}')
    with pytest.raises(BenchError, match=r"model_index\.json is missing"):
        model_spec(str(folder))
    index = folder / "model_index.json"
    index.write_text('{"_class_name": "FluxPipeline"}')
    spec = model_spec(str(folder))
    assert (spec.name, spec.family, spec.source) == ("my-flux", "flux", str(folder))
    assert (spec.settings.height, spec.settings.steps) == (256, FLUX_1_DEV.settings.steps)
    (folder / "bench.json").write_text(json.dumps({"settings": {"steps": 7}, "batch_size": 3}))
    spec = model_spec(str(folder))
    assert (spec.settings.steps, spec.settings.width, spec.batch_size) == (7, 256, 3)
    (folder / "bench.json").write_text('{"setings": {}}')
    with pytest.raises(BenchError, match="'setings'; did you mean 'settings'"):
        model_spec(str(folder))
    index.write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(BenchError, match="'StableDiffusionPipeline'; did you mean"):
        model_spec(str(folder))
    index.write_text("{")
    with pytest.raises(BenchError, match="cannot be read"):
        model_spec(str(folder))
