"""Assignments: built from one solved source, handed out, collected, graded, and the grader itself put to the test."""
