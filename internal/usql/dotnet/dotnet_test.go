package dotnet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind     dotnet.Kind
		in, want string // "": no value of the kind
	}{
		{dotnet.Int, "12", "12"},
		{dotnet.Int, "-0", "0"},
		{dotnet.Int, "1.0", ""},
		{dotnet.Int, "1_0", ""},
		{dotnet.Int, "0x1", ""},
		{dotnet.Int, "2147483648", ""},
		{dotnet.Int, "-2147483648", "-2147483648"},
		{dotnet.SByte, "128", ""},
		{dotnet.SByte, "-128", "-128"},
		{dotnet.Byte, "255", "255"},
		{dotnet.Byte, "256", ""},
		{dotnet.Byte, "-1", ""},
		{dotnet.Short, "32768", ""},
		{dotnet.Long, "9223372036854775807", "9223372036854775807"},
		{dotnet.Long, "9223372036854775808", ""},
		{dotnet.ULong, "18446744073709551615", "18446744073709551615"},
		{dotnet.Double, "1e3", "1e3"},
		{dotnet.Double, "NaN", "nan"},
		{dotnet.Double, "inf", ""},
		{dotnet.Double, "0x1p3", ""},
		{dotnet.Double, "1_0", ""},
		{dotnet.Double, "1e999", ""},
		{dotnet.Float, "1e39", ""},
		{dotnet.Decimal, "-00.50", "-0.5"},
		{dotnet.Decimal, "0.12345678901", ""},
		{dotnet.Decimal, "0.1234567890100", ""},
		{dotnet.Decimal, "0.12345678900", "0.123456789"},
		{dotnet.Decimal, "1e3", ""},
		{dotnet.Decimal, ".", ""},
		{dotnet.Decimal, "--1", ""},
		{dotnet.Bool, "TRUE", "true"},
		{dotnet.Bool, "1", ""},
		{dotnet.Char, "é", "é"},
		{dotnet.Char, "ab", ""},
		{dotnet.Guid, "{0F8FAD5B-D9CB-469F-A165-70867728950E}", "0f8fad5b-d9cb-469f-a165-70867728950e"},
		{dotnet.Guid, "0f8fad5bd9cb469fa16570867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"},
		{dotnet.Guid, "0f8fad5b", ""},
		{dotnet.DateTime, "2026-02-30", ""},
		{dotnet.DateTime, "2024-02-29", "2024-02-29 00:00:00"},
		{dotnet.DateTime, "2/15/2012 11:53:16 am", "2012-02-15 11:53:16"},
		{dotnet.DateTime, "2/5/2012 1:03 PM", "2012-02-05 13:03:00"},
		{dotnet.DateTime, "2012-02-15T11:53:16.1234567Z", "2012-02-15 11:53:16.123456"},
		{dotnet.DateTime, "15 Feb 2012", "2012-02-15 00:00:00"},
		{dotnet.DateTime, "February 5, 2012 7:08", "2012-02-05 07:08:00"},
		{dotnet.DateTime, "2012-02-15T25:00:00", ""},
		{dotnet.DateTime, "tomorrow", ""},
	} {
		got, ok := dotnet.Append(nil, tc.kind, []byte(tc.in))
		if ok != (tc.want != "") || ok && string(got) != tc.want {
			t.Errorf("%s %q: %q %v, want %q", tc.kind, tc.in, got, ok, tc.want)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		v    float64
		bits int
		want string
	}{
		{0, 64, "0"},
		{1.5, 64, "1.5"},
		{-0.0001, 64, "-0.0001"},
		{0.00001, 64, "1E-05"},
		{123456789012345, 64, "123456789012345"},
		{1e15, 64, "1E+15"},
		{1234567890123456, 64, "1234567890123456"},
		{1.5e300, 64, "1.5E+300"},
		{float64(float32(0.1)), 32, "0.1"},
		{1e7, 32, "1E+07"},
		{12345678, 32, "12345678"},
	} {
		if got := string(dotnet.AppendFloat(nil, tc.v, tc.bits)); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.v, got, tc.want)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 17, 6, 7, 89_012_000, time.UTC)
	for _, tc := range []struct{ format, want, duck string }{
		{"O", "2026-03-04T17:06:07.0890120", "%Y-%m-%dT%H:%M:%S.%f0"},
		{"s", "2026-03-04T17:06:07", "%Y-%m-%dT%H:%M:%S"},
		{"d.M.yy H:m:s.fff", "4.3.26 17:6:7.089", "%-d.%-m.%y %-H:%-M:%-S.%g"},
		{"dddd ddd MMMM MMM hh h tt", "Wednesday Wed March Mar 05 5 PM", "%A %a %B %b %I %-I %p"},
		{`'at' HH\h 100%`, "", ""},
		{`'at' HH\h`, "at 17h", "at %Hh"},
		{"D", "", ""},
		{"yyyyy", "", ""},
		{"'open", "", ""},
	} {
		f, err := dotnet.ParseFormat(tc.format)
		if (err == nil) != (tc.want != "") {
			t.Errorf("%s: %v", tc.format, err)
		}
		if err == nil && (f.Text(at) != tc.want || f.Strftime() != tc.duck) {
			t.Errorf("%s: %q %q, want %q %q", tc.format, f.Text(at), f.Strftime(), tc.want, tc.duck)
		}
	}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ a, b, want dotnet.Kind }{
		{dotnet.Byte, dotnet.Byte, dotnet.Int},
		{dotnet.Short, dotnet.UShort, dotnet.Int},
		{dotnet.UInt, dotnet.Int, dotnet.Long},
		{dotnet.UInt, dotnet.Byte, dotnet.UInt},
		{dotnet.Long, dotnet.ULong, dotnet.None},
		{dotnet.ULong, dotnet.UInt, dotnet.ULong},
		{dotnet.Int, dotnet.Float, dotnet.Float},
		{dotnet.Float, dotnet.Double, dotnet.Double},
		{dotnet.Decimal, dotnet.Long, dotnet.Decimal},
		{dotnet.Decimal, dotnet.Double, dotnet.None},
		{dotnet.Int, dotnet.String, dotnet.None},
	} {
		got, ok := dotnet.Promote(tc.a, tc.b)
		if ok != (tc.want != dotnet.None) || ok && got != tc.want {
			t.Errorf("%s, %s: %s %v", tc.a, tc.b, got, ok)
		}
		back, ok2 := dotnet.Promote(tc.b, tc.a)
		if diff := cmp.Diff(got, back); ok != ok2 || ok && diff != "" {
			t.Errorf("%s, %s: the order matters", tc.a, tc.b)
		}
	}
}
