"""What can be measured with `nemo-bridge bench`, one file each."""
