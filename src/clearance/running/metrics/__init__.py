"""The measurements that operators see."""
