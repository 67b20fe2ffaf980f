"""Sharing work out; the cluster itself is tested in the data plane's ring."""

import operator
import sys

import pytest

from leeboard_workers.jobs.cluster import Cluster


def test_a_single_item_needs_no_cluster():
    with Cluster() as cluster:
        assert list(cluster.map(operator.neg, [3])) == [-3]
        assert list(cluster.map(operator.neg, [])) == []


def test_what_a_function_raises_is_raised_here():
    with Cluster() as cluster, pytest.raises(TypeError):
        cluster.map(operator.neg, ["text"])


def test_ray_is_imported_only_when_needed():
    before = "ray" in sys.modules
    with Cluster() as cluster:
        cluster.map(operator.neg, [1])
    assert ("ray" in sys.modules) is before
