"""The experiments of the paper beyond Algorithm 1: Fig 2, Fig 3, Appendices D to F.

- `wake_sleep` and `em`: two other methods to train the same model, Figs 2 and 3.
- `hmc`: Hamiltonian Monte Carlo, which draws from p(z|x), App. D and E.
- `marginal`: log p(x) from draws of the posterior, App. D.
- `experiments`, `figures`: the runs of Figs 2 and 3, their tables, and the figures.
- `weights`: weights are hidden causes too, (13) to (24), Algorithm 2, App. F.
"""
