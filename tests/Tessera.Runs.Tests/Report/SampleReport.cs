using Tessera.Runs.Report;

namespace Tessera.Runs.Tests.Report;

/// <summary>A report with every kind of content, made of invented but plausible figures.</summary>
internal static class SampleReport
{
    internal static HtmlReport Create()
    {
        var report = new HtmlReport("Compression of a 12-layer model", "tessera compress model --target 2x · 8 threads · seed 7");
        report.Section("Result")
            .Paragraph("The child generates 2.1 times as many tokens per second as its parent and keeps 97.4% of its accuracy.")
            .Table(new ReportTable("model", "parameters", "tokens/s", "bits per byte", "accuracy", "note")
                .Add("parent", 4_613_120, "1,810 ± 12", 1.0523, "91.2% ± 0.6", "as trained")
                .Add("child <healed>", 2_871_040, "3,795 ± 31", 1.0611, "88.8% ± 0.7", null)
                .Add("child & no healing", 2_871_040, "3,801 ± 28", 1.2204, "71.0% ± 1.0", "for comparison"));
        report.Section("Blocks").Figure(Blocks(), "Length and colour of a bar are the share of the parent's size that is kept.");
        report.Section("Training").Figure(Losses(), "Mean over 16 steps.").Figure(Validation());
        report.Section("Choice").Figure(Frontier()).Figure(Costs()).Figure(Scores(), "Empty cells were not measured.");
        return report;
    }

    internal static BlockMap Blocks()
    {
        (string Child, double Kept)[] attention = [("8 heads", 1), ("4 heads", 0.5), ("2 heads", 0.25), ("linear", 0.08), ("none", 0)];
        (string Child, double Kept)[] wide = [("1024", 1), ("768", 0.75), ("512", 0.5), ("256", 0.25), ("none", 0)];
        return new BlockMap
        {
            Title = "Blocks chosen for the child",
            Layers = [.. Enumerable.Range(0, 12).Select(layer => new BlockMapRow(
                layer.ToString(),
                new BlockCell("8 heads", attention[layer * 7 % 5].Child, attention[layer * 7 % 5].Kept),
                new BlockCell("1024", wide[layer * 3 % 5].Child, wide[layer * 3 % 5].Kept)))],
        };
    }

    internal static LineChart Losses() => new()
    {
        Title = "Training loss",
        XLabel = "step",
        YLabel = "loss, nats per token",
        LogY = true,
        Series = [Decay("distillation", 0.6, 1), Decay("language model only", 0.9, 2), Decay("from scratch", 2.0, 3)],
    };

    internal static LineChart Validation() => new()
    {
        Title = "Bits per byte of held-out text",
        XLabel = "tokens seen, millions",
        YLabel = "bits per byte",
        Series = [new ChartSeries("child", [(0, 1.2204), (10, 1.11), (20, 1.085), (30, 1.072), (40, double.NaN), (50, 1.0611)])],
    };

    internal static ScatterChart Frontier() => new()
    {
        Title = "Accuracy against throughput",
        XLabel = "generated tokens/s (batch 8, 128 in, 128 out, f32, 8 threads)",
        YLabel = "accuracy, %",
        Points =
        [
            new(1810, 91.2, "parent", "measured"), new(2400, 90.6, "1.3x", "measured"), new(2450, 90.3, "1.35x", "measured"),
            new(3795, 88.8, "2.1x", "measured"), new(5200, 80.1, "2.9x", "measured"), new(2500, 90.9, "predicted 1.35x", "predicted"),
            new(3900, 89.5, "predicted 2.1x", "predicted"), new(5300, 82.4, "predicted 2.9x", "predicted"),
        ],
    };

    internal static BarChart Costs() => new()
    {
        Title = "Time of one decoding step by part",
        ValueLabel = "microseconds (batch 8)",
        Bars =
        [
            new("attention, parent", 212, "212 us", "parent"), new("feed-forward, parent", 388, "388 us", "parent"),
            new("attention, child", 96, "96 us", "child"), new("feed-forward, child", 190, "190 us", "child"),
            new("embedding and head", 41, "41 us", "both"),
        ],
    };

    internal static HeatMap Scores()
    {
        var values = new double[6, 8];
        for (int row = 0; row < 6; row++)
        {
            for (int column = 0; column < 8; column++)
            {
                values[row, column] = column == 5 && row == 3 ? double.NaN : Math.Pow(0.6, column) * (row + 1) / 6;
            }
        }

        return new HeatMap
        {
            Title = "Score of every block variant",
            ValueLabel = "KL divergence from the parent",
            Rows = [.. Enumerable.Range(0, 6).Select(row => $"layer {row}")],
            Columns = ["8 heads", "4 heads", "2 heads", "1 head", "linear attention", "1024 wide", "512 wide", "256 wide"],
            Values = values,
            Format = "0.000",
        };
    }

    private static ChartSeries Decay(string name, double height, int seed)
    {
        var random = new Random(seed);
        return new ChartSeries(name, [.. Enumerable.Range(0, 5000).Select(step => ((double)step, Loss(step)))]);

        double Loss(int step) =>
            (1.05 + (height * Math.Exp(-step / 900.0)) + (2 * height * Math.Exp(-step / 60.0))) * (1 + (0.03 * random.NextDouble()));
    }
}
