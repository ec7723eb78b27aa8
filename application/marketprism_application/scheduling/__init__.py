"""Which runs of which jobs there are to be, and what is to be done for them next. Nothing here waits or sends."""
