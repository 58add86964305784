"""Tests of the words and rules that every process shares."""
