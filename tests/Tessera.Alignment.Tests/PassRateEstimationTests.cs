using Tessera.Alignment.Curriculum;
using Tessera.Alignment.Rewards;
using Tessera.Alignment.Rollouts;

namespace Tessera.Alignment.Tests;

public sealed class PassRateEstimationTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tessera-rates-").FullName;
    private readonly string[] _prompts = [.. Enumerable.Range(0, 70).Select(i => $"{i}")];

    [Fact]
    public void Rates_are_counted_recorded_and_read_again()
    {
        string path = Path.Combine(_root, "rates.jsonl");
        var environment = new SeedEnvironment();
        var rates = Estimate(path, environment);
        Assert.Equal(70, rates.Count);
        Assert.Equal(70 * 8, environment.Judged);
        Assert.All(rates, rate => Assert.Equal(8, rate.Samples));
        Assert.InRange(rates.Average(rate => rate.Rate), 0.4, 0.6);
        Assert.True(rates.Select(rate => rate.Correct).Distinct().Count() > 4);
        Assert.Equal(rates, PassRateEstimation.Read(path, "pool"));
        Assert.Equal(rates, Estimate(path, environment));
        Assert.Equal(70 * 8, environment.Judged);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(200)]
    [InlineData(300)]
    [InlineData(559)]
    public void An_estimation_that_dies_ends_with_the_bits_of_one_left_alone(int judged)
    {
        string alone = Path.Combine(_root, "alone.jsonl"), crashed = Path.Combine(_root, "crashed.jsonl");
        Estimate(alone, new SeedEnvironment());
        Assert.Throws<InvalidOperationException>(() => Estimate(crashed, new SeedEnvironment { CrashAt = judged }));
        Estimate(crashed, new SeedEnvironment());
        Assert.Equal(File.ReadAllText(alone), File.ReadAllText(crashed));
    }

    [Fact]
    public void Records_of_other_settings_and_lines_that_are_no_rates_are_refused()
    {
        string path = Path.Combine(_root, "rates.jsonl");
        Estimate(path, new SeedEnvironment());
        var error = Assert.Throws<InvalidDataException>(
            () => PassRateEstimation.Estimate(path, "pool", "other", _prompts, 8, 1, new SeedSampler(), new SeedEnvironment()));
        Assert.Contains("other settings", error.Message, StringComparison.Ordinal);
        Assert.Contains(
            "other problems", Assert.Throws<InvalidDataException>(() => PassRateEstimation.Read(path, "b")).Message, StringComparison.Ordinal);
        foreach (string line in (string[])
                 [
                     "3", "{}", """{"key":"a"}""", """{"key":"a","value":{"correct":9,"samples":8}}""", """{"key":"a","value":{"correct":-1,"samples":8}}""",
                     """{"key":1,"value":{"correct":1,"samples":8}}""", """{"key":"a","value":{"correct":0.5,"samples":8}}""",
                     """{"key":"a","value":{"correct":0,"samples":0}}""",
                 ])
        {
            File.WriteAllText(path, """{"key":"x","value":{"correct":1,"samples":8}}""" + "\n" + line + "\n");
            Assert.Contains(
                "line 2", Assert.Throws<InvalidDataException>(() => PassRateEstimation.Read(path, "pool")).Message, StringComparison.Ordinal);
        }

        Assert.Contains("no such file", Assert.Throws<InvalidDataException>(() => PassRateEstimation.Read(path + "x", "pool")).Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private IReadOnlyList<PassRate> Estimate(string path, SeedEnvironment environment) =>
        PassRateEstimation.Estimate(path, "pool", "a", _prompts, 8, 1, new SeedSampler(), environment);

    /// <summary>The only token of a response is its seed's last digits.</summary>
    private sealed class SeedSampler : IResponseSampler
    {
        public IReadOnlyList<SampledResponse> Sample(IReadOnlyList<SampleRequest> requests) =>
            [.. requests.Select(request => new SampledResponse([(int)(request.Seed % 1000)], [0f], true))];
    }

    private sealed class SeedEnvironment : IRolloutEnvironment
    {
        public int CrashAt { get; init; }

        public int Judged { get; private set; }

        public RolloutPrompt Prompt(string id) => new(id, "x", [1]);

        public string Text(SampledResponse response) => "";

        public Reward Judge(string id, SampledResponse response, string text) =>
            ++Judged == CrashAt ? throw new InvalidOperationException() : new Reward(response.Ids[0] % 2, 1, true, 0);
    }
}
