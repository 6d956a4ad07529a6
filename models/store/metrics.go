package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"opsyard/models"
)

// Metrics keeps the figures of instances, and the averages of layers, by minute
// and by hour. A row has all figures of one of them and one time.
//
// The key begins with the time: what thousands of agents send within a minute is
// written to the end of the table, and what is too old is removed from its
// beginning. Reading goes from one time to the next and looks up in each what is
// asked for, so the instances of other stacks cost nothing.
type Metrics struct{ *handle }

// metricRow is the shape of both tables. At is in seconds since 1970.
type metricRow struct {
	At            int64    `gorm:"primaryKey;autoIncrement:false;not null"`
	OfID          string   `gorm:"primaryKey;size:36;not null"` // of an instance or a layer
	CPUIdle       *float32 `gorm:"type:real"`
	CPUNice       *float32 `gorm:"type:real"`
	CPUSystem     *float32 `gorm:"type:real"`
	CPUUser       *float32 `gorm:"type:real"`
	CPUWaitio     *float32 `gorm:"type:real"`
	CPUSteal      *float32 `gorm:"type:real"`
	MemoryTotal   *float32 `gorm:"type:real"`
	MemoryUsed    *float32 `gorm:"type:real"`
	MemoryFree    *float32 `gorm:"type:real"`
	MemoryBuffers *float32 `gorm:"type:real"`
	MemoryCached  *float32 `gorm:"type:real"`
	MemorySwap    *float32 `gorm:"type:real"`
	Load1         *float32 `gorm:"type:real;column:load_1"`
	Load5         *float32 `gorm:"type:real;column:load_5"`
	Load15        *float32 `gorm:"type:real;column:load_15"`
	Procs         *float32 `gorm:"type:real"`
}

type (
	metricMinute metricRow
	metricHour   metricRow
)

func (metricMinute) TableName() string { return minutesTable }
func (metricHour) TableName() string   { return hoursTable }

const (
	minutesTable = "metric_minutes"
	hoursTable   = "metric_hours"
)

// metricColumns are named like the metrics, in their order.
var metricColumns = func() string {
	names := make([]string, len(models.Metrics))
	for n, m := range models.Metrics {
		names[n] = string(m)
	}
	return strings.Join(names, ", ")
}()

// averages makes "avg(a), avg(b)"; what is not known does not count.
func averages(metrics []models.Metric) string {
	parts := make([]string, len(metrics))
	for n, m := range metrics {
		parts[n] = "avg(m." + string(m) + ")"
	}
	return strings.Join(parts, ", ")
}

// figures are the values of one row.
type figures struct {
	at     int64
	of     string
	values models.MetricValues
}

// Append stores figures of minutes; later ones of the same minute replace the
// earlier.
func (s Metrics) Append(ctx context.Context, samples []models.MetricSample) error {
	rows := make([]figures, len(samples))
	for n, sample := range samples {
		rows[n] = figures{sample.At.Unix(), string(sample.InstanceID), sample.Values}
	}
	return s.put(ctx, minutesTable, rows)
}

// metricWidth is the number of columns.
const metricWidth = 2 + models.MetricCount

// put writes rows in the order of the key, each once.
func (s Metrics) put(ctx context.Context, table string, rows []figures) error {
	order := func(a, b figures) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return strings.Compare(a.of, b.of)
	}
	slices.SortStableFunc(rows, order)
	last := rows[:0]
	for n, row := range rows {
		if n+1 < len(rows) && order(row, rows[n+1]) == 0 {
			continue
		}
		last = append(last, row)
	}
	if len(last) == 0 {
		return nil
	}
	return s.inTx(ctx, func(h *handle) error {
		last := last // it may be tried again
		args := make([]any, 0, putAtOnce[0]*metricWidth)
		for _, size := range putAtOnce {
			query := h.insertText(table+" (at, of_id, "+metricColumns+")", metricWidth, size) + onSameMetric
			for ; len(last) >= size; last = last[size:] {
				args = args[:0]
				for _, row := range last[:size] {
					args = row.args(args)
				}
				if _, err := pool(h.write).ExecContext(ctx, query, args...); err != nil {
					return wrap(err, "store metrics")
				}
			}
		}
		return nil
	})
}

// putAtOnce are how many rows one statement writes: few different statements,
// so that the connections keep them parsed.
var putAtOnce = []int{50, 10, 1}

func (f *figures) args(args []any) []any {
	args = append(args, f.at, f.of)
	for _, v := range f.values {
		args = append(args, known(v))
	}
	return args
}

// onSameMetric replaces what is there.
var onSameMetric = func() string {
	parts := make([]string, len(models.Metrics))
	for n, m := range models.Metrics {
		parts[n] = string(m) + " = excluded." + string(m)
	}
	return " ON CONFLICT (at, of_id) DO UPDATE SET " + strings.Join(parts, ", ")
}()

// known is the value, or NULL.
func known(v float32) any {
	if v != v {
		return nil
	}
	return float64(v)
}

// Series reads metrics of instances, averaged over each step of [from, to);
// from is a multiple of step. Instances and metrics without figures have no
// entry. Steps of an hour or more are read from the hours that are rolled up,
// and from the minutes after those.
func (s Metrics) Series(ctx context.Context, ids []models.InstanceID, metrics []models.Metric, from, to time.Time, step time.Duration) (map[models.InstanceID]map[models.Metric][]models.MetricPoint, error) {
	return series(ctx, s, ids, metrics, from, to, step)
}

// LayerSeries is Series for the averages of layers.
func (s Metrics) LayerSeries(ctx context.Context, ids []models.LayerID, metrics []models.Metric, from, to time.Time, step time.Duration) (map[models.LayerID]map[models.Metric][]models.MetricPoint, error) {
	return series(ctx, s, ids, metrics, from, to, step)
}

func series[ID ~string](ctx context.Context, s Metrics, ids []ID, metrics []models.Metric, from, to time.Time, step time.Duration) (map[ID]map[models.Metric][]models.MetricPoint, error) {
	lines := map[ID]map[models.Metric][]models.MetricPoint{}
	if len(ids) == 0 || len(metrics) == 0 {
		return lines, nil
	}
	for _, m := range metrics {
		if m.Index() < 0 {
			return nil, models.Invalid("%q is not a metric.", m)
		}
	}
	read := func(table string, from, to time.Time) error {
		for part := range chunks(ids, batch) {
			if err := readSeries(ctx, s, lines, table, part, metrics, from, to, step); err != nil {
				return wrap(err, "read metrics")
			}
		}
		return nil
	}
	if step < time.Hour {
		return lines, read(minutesTable, from, to)
	}
	rolled, err := s.RolledUp(ctx)
	if err != nil {
		return nil, err
	}
	if rolled.Before(from) {
		rolled = from
	}
	if err := read(hoursTable, from, earlier(rolled, to)); err != nil {
		return nil, err
	}
	return lines, read(minutesTable, rolled, to)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// times lists the times of a table, each found by one search of its key.
func times(table string) string {
	return `WITH RECURSIVE times(at) AS (
			SELECT min(at) FROM ` + table + ` WHERE at >= ? AND at < ?
			UNION ALL SELECT (SELECT min(at) FROM ` + table + ` n WHERE n.at > times.at AND n.at < ?) FROM times WHERE times.at IS NOT NULL
		) `
}

func seriesQuery(table string, metrics []models.Metric) string {
	return times(table) + "SELECT m.of_id, m.at / ? * ? AS began, " + averages(metrics) + " FROM times CROSS JOIN " + table +
		" m WHERE m.at = times.at AND m.of_id IN ? GROUP BY 1, 2 ORDER BY 2"
}

func readSeries[ID ~string](ctx context.Context, s Metrics, lines map[ID]map[models.Metric][]models.MetricPoint, table string, ids []ID, metrics []models.Metric, from, to time.Time, step time.Duration) error {
	seconds := int64(step / time.Second)
	query := s.r(ctx).Raw(seriesQuery(table, metrics), from.Unix(), to.Unix(), to.Unix(), seconds, seconds, ids)
	row := newScan(len(metrics))
	return each(query, func(rows *sql.Rows) error {
		if err := row.scan(rows); err != nil {
			return err
		}
		at := time.Unix(row.at, 0).UTC()
		for n, m := range metrics {
			if v := row.values[n]; v.Valid {
				if lines[ID(row.of)] == nil {
					lines[ID(row.of)] = map[models.Metric][]models.MetricPoint{}
				}
				lines[ID(row.of)][m] = append(lines[ID(row.of)][m], models.MetricPoint{At: at, Value: v.Float64})
			}
		}
		return nil
	})
}

// scan takes rows of an id, a time and figures.
type scan struct {
	of     string
	at     int64
	values []sql.NullFloat64
	dest   []any
}

func newScan(width int) *scan {
	s := &scan{values: make([]sql.NullFloat64, width)}
	s.dest = []any{&s.of, &s.at}
	for n := range s.values {
		s.dest = append(s.dest, &s.values[n])
	}
	return s
}

func (s *scan) scan(rows *sql.Rows) error { return rows.Scan(s.dest...) }

// all are the values of a row that has every metric.
func (s *scan) all() (v models.MetricValues) {
	for n := range v {
		v[n] = float32(math.NaN())
		if s.values[n].Valid {
			v[n] = float32(s.values[n].Float64)
		}
	}
	return v
}

// LayerMinutes reads the averages over a layer's online instances of each minute
// of [from, to), in order. Minutes of which nothing came are missing.
func (s Metrics) LayerMinutes(ctx context.Context, layer models.LayerID, from, to time.Time) ([]models.MetricSample, error) {
	rows, err := s.rows(ctx, times(minutesTable)+"SELECT m.of_id, m.at, m."+strings.ReplaceAll(metricColumns, ", ", ", m.")+
		" FROM times CROSS JOIN "+minutesTable+" m WHERE m.at = times.at AND m.of_id = ? ORDER BY m.at", from.Unix(), to.Unix(), to.Unix(), layer)
	if err != nil {
		return nil, wrap(err, "read metrics of layer %s", layer)
	}
	samples := make([]models.MetricSample, len(rows))
	for n, row := range rows {
		samples[n] = models.MetricSample{At: time.Unix(row.at, 0).UTC(), Values: row.values}
	}
	return samples, nil
}

func (s Metrics) rows(ctx context.Context, query string, args ...any) (all []figures, err error) {
	row := newScan(models.MetricCount)
	err = each(s.r(ctx).Raw(query, args...), func(rows *sql.Rows) error {
		err := row.scan(rows)
		all = append(all, figures{row.at, row.of, row.all()})
		return err
	})
	return all, err
}

// AverageLayers makes the averages of all layers for one minute, each over its
// instances that are online now: one that is being set up, or whose Setup failed,
// takes none of the layer's load and would hide it. It may be repeated, when more
// of the minute has come.
func (s Metrics) AverageLayers(ctx context.Context, at time.Time) error {
	rows, err := s.rows(ctx, "SELECT l.layer_id, m.at, "+averages(models.Metrics)+" FROM "+minutesTable+
		" m JOIN instance_layers l ON l.instance_id = m.of_id JOIN instances i ON i.id = m.of_id"+
		" WHERE m.at = ? AND i.status = ? GROUP BY l.layer_id, m.at", at.Unix(), models.InstanceOnline)
	if err != nil {
		return wrap(err, "average metrics over layers")
	}
	return wrap(s.put(ctx, minutesTable, rows), "store averages of layers")
}

const hour = int64(time.Hour / time.Second)

// RolledUp is the end of the last hour that is rolled up; zero when none is.
func (s Metrics) RolledUp(ctx context.Context) (time.Time, error) {
	var last sql.NullInt64
	err := s.r(ctx).Raw("SELECT max(at) FROM " + hoursTable).Row().Scan(&last)
	if err != nil || !last.Valid {
		return time.Time{}, wrap(err, "look for the last hour of metrics")
	}
	return time.Unix(last.Int64+hour, 0).UTC(), nil
}

// RollUp makes the averages of the next hour that has minutes and has ended
// before the given time. It tells whether there was one.
func (s Metrics) RollUp(ctx context.Context, before time.Time) (bool, error) {
	rolled, err := s.RolledUp(ctx)
	if err != nil {
		return false, err
	}
	var first sql.NullInt64
	err = s.r(ctx).Raw("SELECT min(at) FROM "+minutesTable+" WHERE at >= ?", max(0, rolled.Unix())).Row().Scan(&first)
	if err != nil {
		return false, wrap(err, "look for minutes to roll up")
	}
	began := first.Int64 / hour * hour
	if !first.Valid || began+hour > before.Unix() {
		return false, nil
	}
	rows, err := s.rows(ctx, fmt.Sprintf("SELECT m.of_id, %d, %s FROM %s m WHERE m.at >= ? AND m.at < ? GROUP BY m.of_id",
		began, averages(models.Metrics), minutesTable), began, began+hour)
	if err != nil {
		return false, wrap(err, "roll up an hour of metrics")
	}
	return true, wrap(s.put(ctx, hoursTable, rows), "store an hour of metrics")
}

// Prune removes some of the minutes and hours that began before the given
// times, so few that nobody waits for it. It tells whether there may be more.
func (s Metrics) Prune(ctx context.Context, minutes, hours time.Time) (more bool, err error) {
	for table, before := range map[string]time.Time{minutesTable: minutes, hoursTable: hours} {
		full, err := s.pruneTable(ctx, table, before.Unix())
		if err != nil {
			return false, wrap(err, "remove old metrics")
		}
		more = more || full
	}
	return more, nil
}

// pruneTable removes from the beginning of a table, up to one of its keys: that
// is cheaper than naming the rows.
func (s Metrics) pruneTable(ctx context.Context, table string, before int64) (full bool, err error) {
	var last figures
	err = each(s.r(ctx).Raw("SELECT at, of_id FROM "+table+" WHERE at < ? ORDER BY at, of_id LIMIT 1 OFFSET ?", before, pruneAtOnce-1),
		func(rows *sql.Rows) error { full = true; return rows.Scan(&last.at, &last.of) })
	switch {
	case err != nil:
		return false, err
	case !full:
		return false, s.w(ctx).Exec("DELETE FROM "+table+" WHERE at < ?", before).Error
	}
	return true, s.w(ctx).Exec("DELETE FROM "+table+" WHERE (at, of_id) <= (?, ?)", last.at, last.of).Error
}

// pruneAtOnce is how many rows one statement removes.
const pruneAtOnce = 1000
