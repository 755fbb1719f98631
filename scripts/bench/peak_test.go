package main

import (
	"strings"
	"testing"
	"time"
)

func TestPeakPageAndBars(t *testing.T) {
	few := sample{perSecond: 1000, p50: time.Millisecond, p99: 4 * time.Millisecond}
	slower := few
	slower.p99 = 8 * time.Millisecond
	good := swept{full: 500 << 20, after: 500 << 20, took: time.Minute, written: 8192}
	page := peakPage([]peaked{{"bolt", few, slower}}, good)
	for _, line := range []string{"| bolt | 1000 | 1000 | 1.00 ms | 4.00 ms |", "| bolt | 1001000 | 1000 | 1.00 ms | 8.00 ms |", "One activity writes 8.0 KB"} {
		if !strings.Contains(page, line) {
			t.Errorf("no %q in\n%s", line, page)
		}
	}
	if err := peakMet([]peaked{{"bolt", few, slower}}, good); err != nil {
		t.Errorf("at the bar: %v", err)
	}
	slower.p99++
	if err := peakMet([]peaked{{"bolt", few, slower}}, good); err == nil || !strings.Contains(err.Error(), "bolt: p99") {
		t.Errorf("beyond the bar: %v", err)
	}
	for _, bad := range []swept{{full: 1, after: 2}, {written: maxWritten + 1}} {
		if peakMet(nil, bad) == nil {
			t.Errorf("%+v meets the bar", bad)
		}
	}
}
