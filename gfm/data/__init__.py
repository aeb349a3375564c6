"""From folders of photos to batches of training samples."""

import cv2

# Loader workers are forked, and OpenCV's thread pool does not survive that: a worker would wait
# for threads that are gone. Loaders are parallel by processes anyway.
cv2.setNumThreads(0)
