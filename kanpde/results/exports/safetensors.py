"""The trained network for `safetensors.torch.load_file` and `load_state_dict`."""

import json
import struct

import numpy as np

from kanpde.errors import InputError
from kanpde.results.archive import RunData

CODES = {"f8": "F64", "f4": "F32", "i8": "I64", "i4": "I32", "u1": "U8"}
ALIGNMENT = 8
ABOUT = ("title", "problem", "created", "seed", "config_sha256")


def safetensors_files(data: RunData) -> dict[str, bytes]:
    """Parameters and grids under the names of the network's state_dict; kind and settings of the model as metadata.

    The file is: length of the header in 8 bytes, a header in JSON, then the numbers, little-endian, without gaps.

    Source: https://github.com/huggingface/safetensors, section Format.
    """
    arrays = {**data.model.parameters, **data.model.grids}
    about = {name: str(data.attributes[name]) for name in ABOUT if name in data.attributes}
    model = {"kind": data.model.kind, "config_json": data.model.config_json}
    header: dict[str, dict[str, object]] = {"__metadata__": {**model, **about}}
    numbers = b""
    for name, values in arrays.items():
        raw = np.ascontiguousarray(values, dtype=np.asarray(values).dtype.newbyteorder("<"))
        offsets = [len(numbers), len(numbers) + raw.nbytes]
        header[name] = {"dtype": _code(name, raw), "shape": list(np.shape(values)), "data_offsets": offsets}
        numbers += raw.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return {"parameters.safetensors": struct.pack("<Q", len(text)) + text + numbers}


def _code(name: str, values: np.ndarray) -> str:
    code = CODES.get(values.dtype.str[1:])
    if code is None:
        raise InputError(
            f"safetensors takes arrays of {', '.join(CODES)}; {name} has {values.dtype.str[1:]}. Take --to npz."
        )
    return code
