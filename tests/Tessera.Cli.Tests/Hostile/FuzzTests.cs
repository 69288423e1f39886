using System.Globalization;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>
/// Mutants of every kind of file: each is read, or refused by file and field, within a second and bounded memory. TESSERA_FUZZ_MUTANTS sets
/// the number of the long run, TESSERA_FUZZ_SEED its seed.
/// </summary>
public class FuzzTests(ITestOutputHelper output, TinyModel files)
{
    private const int FastMutants = 300;
    private const int SlowMutants = 100_000;

    public static TheoryData<string> Kinds { get; } = ["safetensors", "config", "tokenizer", "gguf", "templates", "rows", "shards"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Mutants_are_read_or_refused_by_file_and_field(string kind) => Run(kind, FastMutants, seed: 1);

    [Theory]
    [Trait("Category", "Slow")]
    [MemberData(nameof(Kinds))]
    public void Many_mutants_are_read_or_refused_by_file_and_field(string kind) =>
        Run(kind, (int)((Setting("TESSERA_FUZZ_MUTANTS", SlowMutants) + Kinds.Count - 1) / Kinds.Count), (ulong)Setting("TESSERA_FUZZ_SEED", 20_261_122));

    private static long Setting(string name, long otherwise) =>
        long.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : otherwise;

    private void Run(string kind, int mutants, ulong seed)
    {
        var failures = new List<string>();
        IReadOnlyList<FuzzTarget> targets = FuzzTargets.Of(kind, files);
        for (int i = 0; i < targets.Count; i++)
        {
            int share = (mutants * (i + 1) / targets.Count) - (mutants * i / targets.Count);
            using var run = new FuzzRun(targets[i], seed);
            var watch = System.Diagnostics.Stopwatch.StartNew();
            run.Run(share);
            failures.AddRange(run.Failures);
            output.WriteLine(
                $"{targets[i].Name}: {share:N0} mutants from seed {seed}, {run.Accepted:N0} read, {run.Refused:N0} refused, {watch.Elapsed.TotalSeconds:F1} s; "
                + $"most for one: {run.MostSeconds * 1000:F0} ms of processor time, {run.MostBytes / 1024:N0} KiB");
            Assert.True(run.Failures.Count > 0 || (run.Accepted > 0 && run.Refused > 0) || targets[i].Name == "tokenizer ranks", $"{run.Accepted} read, {run.Refused} refused");
        }

        Assert.True(failures.Count == 0, string.Join("\n\n", failures));
    }
}
