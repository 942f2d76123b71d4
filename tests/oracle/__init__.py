"""The product computed a second time, from the specification alone.

    python -m tests.oracle histories --count 10000 --seed 1 [--go-on] [--without ASPECT]
    python -m tests.oracle departement --electeurs 100000

- `history.py`: what happens to a small commune's register, a step a day: exports imported, redated and undone,
  meetings, polls, files asked for. Everybody in it is invented.
- `generator.py`: such histories at random.
- `computation.py`: what each file of a history must say; `register.py` what the register was told, `comparing.py` what
  two exports differ by, `coverage.py` what is not known. They share no code with worker/ and were written without
  reading the rules there; whoever changes a rule changes it twice, from the text of the law.
- `questions.py`: what an import asks before it goes on.
- `answers.py`: what a step is answered, by either.
- `product.py`: the same history in the real product, and what its files say, read from their bytes.
- `comparison.py`: where the two differ; a history that differs, made as short as it can be.
- `departement.py`: a whole département where nothing is wrong, to count those who are accused all the same.
"""
