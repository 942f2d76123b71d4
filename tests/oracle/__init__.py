"""The product's results, computed a second time from the specification alone.

- `history.py`: the history of a small commune's register, a step a day: exports imported, redated and undone,
  meetings, polls, requested files, with the answers to them. All people in it are invented.
- `generator.py`: random histories.
- `computation.py`: the expected content of each file of a history; `register.py` the inputs of the register,
  `comparing.py` the differences of two exports, `coverage.py` the gaps. They share no code with worker/ and were
  written without reading the rules there; a change of a rule is made twice, from the text of the law.
- `product.py`: the same history in the real product, and the content of its files, read from their bytes.
- `test_histories.py`: random histories, and the differences of the two.
- `test_departement.py`: a whole département without any error, to count false alarms.
"""
