package lifecycle

import "testing"

// TestUnits has service units end, of which systemd is asked afterwards.
func TestUnits(t *testing.T) {
	const (
		ran = `
			1s created   nspawn a.service 1
			1s populated nspawn a.service 1`
		unknown = `
			missed exit unknown`
		runs = `
			container nspawn: created
			container nspawn: started
			container nspawn create_to_started cgroup ok 0s
			container nspawn: stopped`
	)
	for name, tt := range map[string]story{
		"asked": {ran + `
			9s empty   nspawn a.service 1
			9s removed nspawn a.service 1
			9s unit_stops systemd nspawn a.service 1 7s
			9s unit_stops systemd nspawn a.service 1 7s
			40s scrape`, unknown + runs + `
			container nspawn: removed
			container nspawn stop systemd graceful 2s`},
		"killed in the end": {ran + `
			9s empty   nspawn a.service 1
			9s unit_stops systemd nspawn a.service 1 7s witnessed forced`, unknown + runs + `
			container nspawn stop systemd forced 2s`},
		"nobody asked": {ran + `
			9s empty   nspawn a.service 1
			9s unit_stops systemd nspawn a.service 1 9s late`, unknown + `
			missed stop no_request` + runs},
		"systemd does not tell": {ran + `
			9s empty   nspawn a.service 1
			18s scrape
			19s scrape
			19s unit_stops systemd nspawn a.service 1 7s`, unknown + `
			missed stop no_source` + runs},
		"found out afterwards": {ran + `
			9s empty   nspawn a.service 1 late
			9s unit_stops systemd nspawn a.service 1 7s`, "missed stop late" + unknown + runs},
		"the run after it lives": {ran + `
			9s empty   nspawn a.service 1
			9s removed nspawn a.service 1
			10s created   nspawn a.service 2
			10s populated nspawn a.service 2
			10s unit_stops systemd nspawn a.service 1 7s
			10s unit_stops systemd nspawn a.service 2 7s`, unknown + runs + `
			container nspawn: removed
			container nspawn stop systemd graceful 2s
			container nspawn: created
			container nspawn: started
			container nspawn create_to_started cgroup ok 0s
			container nspawn restarted
			container nspawn reboot cgroup restart 1s`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			s.play(tt.script)
			for _, r := range s.groups {
				s.flush(r)
			}
			s.want(tt.want)
		})
	}
}

// TestUnitsLost has the exporter end before systemd has told.
func TestUnitsLost(t *testing.T) {
	s := newStage(t, nil)
	s.play(`
		1s created   nspawn a.service 1
		1s populated nspawn a.service 1
		9s empty     nspawn a.service 1`)
	if lost := s.Save().Lost["stop"]; lost != 1 {
		t.Errorf("%d stops lost", lost)
	}
}
