"""Two sides of photons, real and generated: how alike they are, beside what real against real gives.

`sides`, `load` and `floor` are what all figures stand on; `comparison` gathers those of samples. Beside them is what
photons do, each a function of two `Side`s and a generator, giving a dataclass of JSON values:

    rings.compare_rings(real, generated, rng)                     energy, fluence and spectrum over the radius
    edges.compare_edges(real, generated, rng)                     field edges and penumbras
    memorisation.compare_with_train(generated, train, test, rng)  nearest photons of train
    water: plan = plan_of(real, focus); engine = WaterEngine(plan.tank, highest_mev, progress)
           draws = dose_draws(batches(side, rng), engine, plan, uses, seed, progress), once for each side
    water_compare.compare_doses(real_draws, generated_draws, rng) dose in water per photon

`report.phase_space_physics` has pictures and tables of each. `batches` splits a side by history; blocks of a model may
be given to `dose_draws` as they come, so that any number of photons fits into memory.
"""
