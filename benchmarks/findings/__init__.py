"""What is known of training recurrent networks, trained again by the engine and set beside what was published.

    python -m benchmarks.findings                 # everything, half an hour on a free core
    python -m benchmarks.findings --list          # what there is
    python -m benchmarks.findings cliff adding    # some of it
    python -m benchmarks.findings --quick         # what takes seconds

Where a paper states no number, "published" is that of this project's reference runs, whose random numbers are others;
so counts of iterations agree within a factor of 2 unless a finding's remark says otherwise.

One module a finding or two that belong together; `parts` says what a finding is made of, `training` trains.
"""
