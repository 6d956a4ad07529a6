package models

import (
	"regexp"
	"slices"
	"strings"
)

// Defaults and limits of a log stream (OpsWorks: "Using CloudWatch Logs").
const (
	minBufferDuration = 5000 // milliseconds
	maxBatchCount     = 10000
	defaultBatchCount = 1000
	maxBatchSize      = 1 << 20
	defaultBatchSize  = 32 << 10
)

var (
	logGroupPattern    = regexp.MustCompile(`\A[A-Za-z0-9_\-/.]{1,512}\z`)
	fingerprintPattern = regexp.MustCompile(`\A[0-9]+(-[0-9]+)?\z`)
)

// LogEncodings are the encodings that a log file can be in.
var LogEncodings = strings.Fields(`
	ascii big5 big5hkscs cp037 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861
	cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp875 cp932 cp949 cp950 cp1006 cp1026 cp1140 cp1250 cp1251 cp1252
	cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 euc_jp euc_jis_2004 euc_jisx0213 euc_kr gb2312 gbk gb18030 hz
	iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr latin_1 iso8859_2
	iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_13 iso8859_14
	iso8859_15 iso8859_16 johab koi8_r koi8_u mac_cyrillic mac_greek mac_iceland mac_latin2 mac_roman mac_turkish
	ptcp154 shift_jis shift_jis_2004 shift_jisx0213 utf_32 utf_32_be utf_32_le utf_16 utf_16_be utf_16_le utf_7
	utf_8 utf_8_sig`)

// Normalize fills what a log stream leaves out.
func (s CloudWatchLogsLogStream) Normalize() CloudWatchLogsLogStream {
	s.File = strings.TrimSpace(s.File)
	setDefault(&s.FileFingerprintLines, "1")
	setDefault(&s.InitialPosition, "start_of_file")
	setDefault(&s.Encoding, "utf_8")
	setDefault(&s.BufferDuration, minBufferDuration)
	setDefault(&s.BatchCount, defaultBatchCount)
	setDefault(&s.BatchSize, defaultBatchSize)
	return s
}

// Validate refuses a log stream that could not be read or sent.
func (s CloudWatchLogsLogStream) Validate() error {
	refuse := func(format string, args ...any) error {
		return InvalidField("CloudWatchLogsConfiguration", "Cloud watch logs configuration: "+format, args...)
	}
	switch {
	case s.File == "" || strings.ContainsFunc(s.File, unshowable):
		return refuse("a log stream needs the path of its file.")
	case s.LogGroupName != "" && !logGroupPattern.MatchString(s.LogGroupName):
		return refuse("a log group name has 1 to 512 letters, digits, _, -, / and dots.")
	case s.TimeZone != "" && s.TimeZone != "LOCAL" && s.TimeZone != "UTC":
		return refuse("time zone must be LOCAL or UTC.")
	case !fingerprintPattern.MatchString(s.FileFingerprintLines):
		return refuse("file fingerprint lines must be a number or a range such as 2-5.")
	case s.InitialPosition != "start_of_file" && s.InitialPosition != "end_of_file":
		return refuse("initial position must be start_of_file or end_of_file.")
	case !slices.Contains(LogEncodings, s.Encoding):
		return refuse("%q is not an encoding.", s.Encoding)
	case s.BufferDuration < minBufferDuration:
		return refuse("buffer duration must be at least %d ms.", minBufferDuration)
	case s.BatchCount < 1 || s.BatchCount > maxBatchCount:
		return refuse("batch count must be 1 to %d.", maxBatchCount)
	case s.BatchSize < 1 || s.BatchSize > maxBatchSize:
		return refuse("batch size must be 1 to %d bytes.", maxBatchSize)
	}
	return nil
}
