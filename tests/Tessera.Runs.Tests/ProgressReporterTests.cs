namespace Tessera.Runs.Tests;

public class ProgressReporterTests
{
    private readonly ManualClock _clock = new();
    private readonly StringWriter _writer = new() { NewLine = "\n" };

    [Fact]
    public void A_redirected_report_writes_a_line_every_ten_seconds_with_rate_and_time_left()
    {
        using (ProgressReporter progress = Reporter(terminal: false))
        {
            for (int step = 1; step <= 250; step++)
            {
                _clock.Move(0.1);
                progress.Advance();
            }

            progress.Report(300, "loss 3.2");
        }

        Assert.Equal(
            [
                "train  100/1,000 steps (10.0%)  10 steps/s  1 min 30 s left",
                "train  200/1,000 steps (20.0%)  10 steps/s  1 min 20 s left",
                "train  300/1,000 steps (30.0%)  12 steps/s  25 s in all  loss 3.2",
            ],
            _writer.ToString().TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void A_terminal_redraws_one_line_at_most_five_times_a_second()
    {
        using (ProgressReporter progress = Reporter(terminal: true))
        {
            for (int step = 1; step <= 100; step++)
            {
                _clock.Move(0.01);
                progress.Report(step);
            }
        }

        string[] drawn = _writer.ToString().Split('\r')[1..];
        Assert.InRange(drawn.Length, 5, 7);
        Assert.Equal(1, _writer.ToString().Count(character => character == '\n'));
        Assert.StartsWith("train  100/1,000 steps (10.0%)  100 steps/s  1 s in all", drawn[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_shorter_line_covers_a_longer_one()
    {
        using ProgressReporter progress = Reporter(terminal: true);
        _clock.Move(1);
        progress.Report(1, "a long note at the end of the line");
        _clock.Move(1);
        progress.Report(2, "short");
        string[] drawn = _writer.ToString().Split('\r')[1..];
        Assert.Equal(drawn[0].Length, drawn[1].Length);
    }

    [Fact]
    public void Units_of_an_earlier_run_do_not_count_in_the_rate()
    {
        using (var progress = new ProgressReporter(_writer, Options(terminal: false) with { Done = 900 }, _clock))
        {
            _clock.Move(10);
            progress.Report(950);
        }

        Assert.StartsWith("train  950/1,000 steps (95.0%)  5 steps/s  10 s left", _writer.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_total_shows_count_and_rate_only()
    {
        using (var progress = new ProgressReporter(_writer, Options(terminal: false) with { Total = null }, _clock))
        {
            _clock.Move(10);
            progress.Report(1_234_567);
        }

        Assert.StartsWith("train  1,234,567 steps  123K steps/s\n", _writer.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_quiet_report_writes_nothing()
    {
        using (var progress = new ProgressReporter(_writer, Options(terminal: true) with { Quiet = true }, _clock))
        {
            _clock.Move(100);
            progress.Report(5);
        }

        Assert.Empty(_writer.ToString());
    }

    private static ProgressOptions Options(bool terminal) => new() { Label = "train", Unit = "steps", Total = 1000, Terminal = terminal };

    private ProgressReporter Reporter(bool terminal) => new(_writer, Options(terminal), _clock);
}
