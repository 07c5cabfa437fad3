package retry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	var b Backoff
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		want *= time.Second
		if got := b.Next(); got < want*4/5 || got > want*6/5 {
			t.Errorf("%v, want about %v", got, want)
		}
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		Pause(t.Context(), time.Hour)
		if d := time.Since(began); d != time.Hour {
			t.Error(d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		Pause(ctx, time.Hour)
		if d := time.Since(began); d != time.Hour {
			t.Error(d)
		}
	})
}
