"""From folders of photos to batches of training samples."""

import cv2

# Loader workers are forked, and OpenCV's thread pool does not survive a fork: a worker would wait
# for threads that no longer exist. Loaders already run in parallel processes.
cv2.setNumThreads(0)
