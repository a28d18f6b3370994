"""What a pod can measure of itself: one file per sampler. They read and name; what the files mean is in core/."""
