"""An author's copy of a model and its SAEs for an article: what the runtime reads, at half the bytes.

| file | does |
|---|---|
| `__main__.py` | the command line, and what it prints |
| `pack.py` | finds what is asked for, checks it, writes the folder |
| `saes.py` | SAEs in folders, lists and files |
| `pickled.py` | releases that are pickled, into the form of the others |
| `configs.py` | `config.json`, `cfg.json`, `tokenizer.json`: what the runtime refuses, which tensors it reads |
| `places.py` | names of places in GPT-2 |
| `tensors.py` | safetensors: checked when read, narrowed and measured when written |
| `outside.py` | files from outside, checked |

The rules are those of `crate/src/{config,places,safetensors,tokenizer}.rs` and `crate/src/weights/`: a folder
that this writes, the runtime reads.
"""
