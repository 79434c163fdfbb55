package mlflow

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// double is a number of 64 bits, sent as one, as a string, or as one of the words of protobuf's JSON.
//
// MLflow's server keeps its numbers in SQL: an infinite one comes back as the largest that there is.
// Source: mlflow/store/tracking/sqlalchemy_store.py, 3.17.
type double float64

func (d *double) UnmarshalJSON(raw []byte) error {
	v, ok := parseDouble(strings.Trim(string(raw), `"`))
	if !ok {
		return invalid("value", shortened(string(raw)), "it should be a number of 64 bits")
	}
	*d = double(v)
	return nil
}

func parseDouble(text string) (float64, bool) {
	switch text {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	if strings.ContainsAny(text, "xXpPiInN_") { // what Go would take and JSON has not
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

func (d double) MarshalJSON() ([]byte, error) { return appendDouble(nil, float64(d)), nil }

func appendDouble(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		v = math.MaxFloat64
	case math.IsInf(v, -1):
		v = -math.MaxFloat64
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e16 { // clients tell 1.0 from 1
		return append(strconv.AppendFloat(b, v, 'f', -1, 64), ".0"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// appendString appends a text in JSON.
func appendString(b []byte, s string) []byte {
	raw, _ := json.Marshal(s) // texts always encode
	return append(b, raw...)
}
