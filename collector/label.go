package collector

import dto "github.com/prometheus/client_model/go"

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: &name, Value: &value}
}
