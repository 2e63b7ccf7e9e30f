"""Data: pictures in and out, and the data sets to train and measure on."""
