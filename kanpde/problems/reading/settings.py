"""The key `settings`: what suits a problem, in place of the defaults of model, optimizer, sampling and training."""

from __future__ import annotations

from kanpde.errors import InputError
from kanpde.problems.language import shortened, suggestion
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.messages import wrong_kind

SETTING_GROUPS = ("model", "optimizer", "sampling", "training")
EXAMPLE = "{model: {width: [10]}, training: {steps: 100}}"


def read_settings(statement: Source) -> dict[str, object]:
    """`group.name` → value; whether there is such a setting is for the configuration to say."""
    found: dict[str, object] = {}
    for group, entries in statement.mapping("settings", EXAMPLE).items():
        where = statement.where(f"settings.{group}")
        if group not in SETTING_GROUPS:
            hint = suggestion(group, SETTING_GROUPS) or " Remove it."
            raise InputError(
                f"{statement.where('settings')} takes {', '.join(SETTING_GROUPS)}; it has {shortened(group)}.{hint}"
            )
        if not isinstance(entries, dict):
            raise wrong_kind(where, "settings, name: value", entries, EXAMPLE)
        for name, value in entries.items():
            if name == "kind" or isinstance(value, dict):
                raise InputError(
                    f"{where} needs name: value, without kind; it has {shortened(name)}. Choose {group}=… on the "
                    "command line."
                )
            found[f"{group}.{name}"] = value
    return found
