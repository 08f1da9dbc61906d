"""Bad input at scale: random cases for everything that reads what users bring.

- `world`: the folder of one case, how it is called, and the rules of each case.
- `values`: texts, numbers and bytes that programs often get wrong.
- `lines`, `settings`, `tensors`, `pictures`: the targets. Each is a function that
  makes one case from its random numbers.

`tests/fuzz.py` is the program, and `tests/test_fuzz.py` runs part of it.
"""
