"""What can be measured: exchange with a model, snapshots, what the bridge costs a model that is left alone."""
