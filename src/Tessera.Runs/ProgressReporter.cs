using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Tessera.Runs;

/// <summary>
/// Shows how far a job is: <c>train  1,200/5,000 steps (24.0%)  312 steps/s  12.2 s left  loss 3.21</c>. On a terminal one line
/// is redrawn at most five times a second; elsewhere a line is written every ten seconds. Threads may share a reporter.
/// </summary>
public sealed class ProgressReporter : IDisposable
{
    private static readonly TimeSpan TerminalInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();

    [SuppressMessage("Usage", "CA2213:Disposable fields should be disposed", Justification = "Standard error belongs to the caller.")]
    private readonly TextWriter _writer;

    private readonly ProgressOptions _options;
    private readonly TimeProvider _clock;
    private readonly long _started;
    private readonly long _initial;
    private long _shown;
    private long _done;
    private string? _note;
    private int _width;
    private bool _anyShown;
    private bool _finished;

    /// <summary>Starts the clock.</summary>
    /// <param name="writer">Where the lines go, as a rule standard error.</param>
    /// <param name="options">What is counted and how it is shown.</param>
    /// <param name="clock">Clock of rates and intervals; the system's if null.</param>
    public ProgressReporter(TextWriter writer, ProgressOptions options, TimeProvider? clock = null)
    {
        _writer = writer;
        _options = options;
        _clock = clock ?? TimeProvider.System;
        _initial = _done = options.Done;
        _started = _shown = _clock.GetTimestamp();
    }

    /// <summary>Reports that so many units are done in all.</summary>
    /// <param name="done">Units done, those of an earlier run included.</param>
    /// <param name="note">Free text for the line's end; null keeps the last.</param>
    public void Report(long done, string? note = null)
    {
        lock (_gate)
        {
            _done = done;
            _note = note ?? _note;
            TimeSpan interval = _options.Terminal ? TerminalInterval : PlainInterval;
            if (!_finished && (_clock.GetElapsedTime(_shown) >= interval || (_options.Terminal && !_anyShown)))
            {
                Show(final: false);
            }
        }
    }

    /// <summary>Reports that so many more units are done.</summary>
    public void Advance(long count = 1)
    {
        lock (_gate)
        {
            Report(_done + count);
        }
    }

    /// <summary>Writes the last line with the time the job took; a second call does nothing.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_finished)
            {
                _finished = true;
                Show(final: true);
            }
        }
    }

    private void Show(bool final)
    {
        _shown = _clock.GetTimestamp();
        _anyShown = true;
        if (_options.Quiet)
        {
            return;
        }

        string line = Line(final);
        if (!_options.Terminal)
        {
            _writer.WriteLine(line);
        }
        else
        {
            // Blanks cover what is left of a longer line before.
            _writer.Write("\r" + line.PadRight(_width));
            _width = line.Length;
            if (final)
            {
                _writer.WriteLine();
            }
        }

        _writer.Flush();
    }

    private string Line(bool final)
    {
        TimeSpan elapsed = _clock.GetElapsedTime(_started);
        double rate = elapsed > TimeSpan.Zero ? (_done - _initial) / elapsed.TotalSeconds : 0;
        string count = _options.Total is { } total
            ? string.Create(CultureInfo.InvariantCulture, $"{_done:N0}/{total:N0} {_options.Unit} ({HumanUnits.FormatShare(Share(total))})")
            : string.Create(CultureInfo.InvariantCulture, $"{_done:N0} {_options.Unit}");
        string line = $"{_options.Label}  {count}  {FormatRate(rate)} {_options.Unit}/s";
        if (final)
        {
            line += $"  {HumanUnits.FormatDuration(elapsed)} in all";
        }
        else if (_options.Total is { } end && rate > 0)
        {
            line += $"  {HumanUnits.FormatDuration(TimeSpan.FromSeconds(Math.Min((end - _done) / rate, 1e9)))} left";
        }

        return string.IsNullOrEmpty(_note) ? line : $"{line}  {_note}";
    }

    private double Share(long total) => total == 0 ? 1 : (double)_done / total;

    private static string FormatRate(double rate) =>
        rate >= 999.5
            ? HumanUnits.FormatCount((long)rate)
            : rate.ToString(rate < 9.995 ? "0.##" : rate < 99.95 ? "0.#" : "0", CultureInfo.InvariantCulture);
}
