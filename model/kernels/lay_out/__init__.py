"""Laying out builds, compiled: numpy takes four times as long for it as a worker does to time them."""
