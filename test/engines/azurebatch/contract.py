"""What the official client takes and gives: the fields of its models, by which each body here is checked, both ways."""
import functools
import typing

import azure.batch.models as models
from azure.batch._utils.model_base import Model


def model_in(hint):
    """Returns the model that an annotation names, if it names one: they are forward references in texts."""
    todo = [hint]
    while todo:
        h = todo.pop()
        if isinstance(h, str):
            for word in h.replace('"', "").replace("_models.", "").replace("[", ",").replace("]", ",").split(","):
                found = getattr(models, word.strip(), None)
                if isinstance(found, type) and issubclass(found, Model):
                    return found
        elif isinstance(h, type) and issubclass(h, Model):
            return h
        elif h is not None:
            todo += [getattr(a, "__forward_arg__", a) for a in typing.get_args(h)]
    return None


@functools.cache
def fields(model):
    """Returns the JSON names of a model's fields, with the model that each holds."""
    model()  # its fields are bound when it is made for the first time
    hints = {}
    for c in reversed(model.__mro__):
        hints.update(getattr(c, "__annotations__", {}))
    return {f._rest_name: model_in(hints.get(name)) for name, f in model._attr_to_rest_field.items()}


def strange(model, value, at=""):
    """Returns the keys of a value that its model does not have."""
    if not isinstance(value, dict):
        return [at + "is no object"]
    out = []
    for key, v in value.items():
        if key not in fields(model):
            out.append(at + key)
            continue
        for one in v if isinstance(v, list) else [v]:
            if fields(model)[key] and isinstance(one, dict):
                out += strange(fields(model)[key], one, at + key + ".")
    return out
