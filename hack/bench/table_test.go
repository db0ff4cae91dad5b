// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import "testing"

func TestSample(t *testing.T) {
	s := sample{3, 1, 2}
	if got, want := s.String(), "2 (1 to 3)"; got != want {
		t.Errorf("sample = %q, want %q", got, want)
	}
	if got, want := s.ratio(sample{4, 4, 8}), "0.50"; got != want {
		t.Errorf("ratio = %q, want %q", got, want)
	}
	if got, want := s.ratio(sample{0}), "–"; got != want {
		t.Errorf("ratio to nothing = %q, want %q", got, want)
	}
	if got, want := (sample{}).String(), "–"; got != want {
		t.Errorf("empty sample = %q, want %q", got, want)
	}
}
