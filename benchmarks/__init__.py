"""Measurements that anyone can run (`make bench`): ratios against baselines that are measured beside them in the same run."""
