"""Where a training runs: each module has ``run(df, columns, task, label, verbose)``, which gives the workers' rows."""
