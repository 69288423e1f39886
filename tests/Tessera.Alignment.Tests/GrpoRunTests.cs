using Tessera.Alignment.Curriculum;
using Tessera.Alignment.Health;
using Tessera.Alignment.Policy;
using Tessera.Alignment.Rewards;
using Tessera.Alignment.Rollouts;
using Tessera.Alignment.Runs;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Runs;
using Tessera.TestSupport;

namespace Tessera.Alignment.Tests;

public sealed class GrpoRunTests : IDisposable
{
    private const int Steps = 4, Prompts = 4;
    private static readonly string[] Files = ["checkpoint.safetensors", "metrics.jsonl", "rewards.jsonl", "samples.jsonl", "curriculum.jsonl"];
    private readonly CpuDevice _device = new(2);
    private readonly string _root = Directory.CreateTempSubdirectory("tessera-grpo-").FullName;

    public static TheoryData<string, int> Crashes
    {
        get
        {
            var crashes = new TheoryData<string, int> { { "sample", 1 }, { "sample", 3 }, { "judge", 1 }, { "judge", 2 }, { "judge", 37 }, { "judge", 50 } };
            foreach (var stage in Enum.GetValues<GrpoStage>())
            {
                for (int step = 1; step <= Steps; step++)
                {
                    // Checkpoints are written at steps 2 and 4 only.
                    if (stage != GrpoStage.Saved || step % 2 == 0)
                    {
                        crashes.Add(stage.ToString(), step);
                    }
                }
            }

            return crashes;
        }
    }

    [Theory]
    [MemberData(nameof(Crashes))]
    public void A_run_that_dies_anywhere_ends_with_the_bits_of_one_left_alone(string place, int count)
    {
        string alone = Path.Combine(_root, "alone"), crashed = Path.Combine(_root, "crashed");
        int judged = Start(alone);
        Assert.Equal(Steps * Prompts * 4, judged);
        Assert.Throws<CrashException>(() => Start(crashed, place, count));
        Start(crashed);
        foreach (string file in Files)
        {
            Assert.True(
                File.ReadAllBytes(Path.Combine(alone, file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(crashed, file))),
                $"{file} differs after a crash at {place} {count}");
        }
    }

    [Fact]
    public void A_run_that_dies_many_times_judges_every_response_once()
    {
        string folder = Path.Combine(_root, "often");
        var judged = new List<int>();
        for (int step = 1; step <= Steps; step++)
        {
            Assert.Throws<CrashException>(() => Start(folder, nameof(GrpoStage.Learned), step, judged));
        }

        Start(folder, judged: judged);
        Assert.Equal(Steps * Prompts * 4, judged.Sum());
        Assert.Equal(Steps * Prompts * 4, File.ReadLines(Path.Combine(folder, "samples.jsonl")).Count());
        Assert.Equal(Steps, MetricsWriter.Read(Path.Combine(folder, "metrics.jsonl")).Count());
    }

    [Fact]
    public void A_complete_run_does_nothing_more_and_says_how_it_stands()
    {
        string folder = Path.Combine(_root, "complete");
        Start(folder);
        byte[][] before = [.. Files.Select(file => File.ReadAllBytes(Path.Combine(folder, file)))];
        Assert.Equal(0, Start(folder));
        Assert.Equal(before, Files.Select(file => File.ReadAllBytes(Path.Combine(folder, file))));
    }

    [Fact]
    public void A_recorded_reward_of_another_response_is_an_error_that_says_so()
    {
        string folder = Path.Combine(_root, "mismatch");
        Assert.Throws<CrashException>(() => Start(folder, nameof(GrpoStage.Learned), 1));
        string path = Path.Combine(folder, "rewards.jsonl");
        string text = File.ReadAllText(path);
        int at = text.IndexOf("\"response\":\"", StringComparison.Ordinal) + 12;
        File.WriteAllText(path, text[..at] + (text[at] == '0' ? '1' : '0') + text[(at + 1)..]);
        var error = Assert.Throws<InvalidDataException>(() => Start(folder));
        foreach (string part in (string[])["rewards.jsonl", "step 1", "sample 0", "another response"])
        {
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Files_of_a_run_with_other_settings_are_refused()
    {
        string folder = Path.Combine(_root, "other");
        Assert.Throws<CrashException>(() => Start(folder, nameof(GrpoStage.Learned), 1));
        Assert.Contains(
            "other settings", Assert.Throws<InvalidDataException>(() => Start(folder, identity: "b")).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(folder, "rewards.jsonl"));
        Start(folder);
        Assert.Contains(
            "other settings", Assert.Throws<InvalidDataException>(() => Start(folder, identity: "b")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gate_stops_a_run_by_name_and_again_when_it_is_started_again()
    {
        string folder = Path.Combine(_root, "ill");
        var health = new HealthSettings { Entropy = new GateLimit(100, 3) };
        var error = Assert.Throws<InvalidDataException>(() => Start(folder, health: health));
        Assert.Contains("EntropyCollapse", error.Message, StringComparison.Ordinal);
        Assert.Contains("step 3", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, MetricsWriter.Read(Path.Combine(folder, "metrics.jsonl")).Count());
        Assert.Equal(error.Message, Assert.Throws<InvalidDataException>(() => Start(folder, health: health)).Message);

        // With the gate off it goes on to the same end.
        Start(folder);
        Start(Path.Combine(_root, "well"));
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(_root, "well", "checkpoint.safetensors")), File.ReadAllBytes(Path.Combine(folder, "checkpoint.safetensors")));
    }

    [Fact]
    public void Figures_of_a_step_follow_from_its_rollout()
    {
        var rollout = TestRollouts.Random(6);
        var plan = new PlannedBatch(0, 0.5, 0.4, []);
        var sums = new PolicySums(1, 10, 5, 0.2, 1, 2, 0, 10.5);
        var figures = new Dictionary<string, double>(
            StepFigures.Of(rollout, new UpdateReport(new LogProbGap(1.01, 0.2, 1e-4, 0.1, 10), sums, 0.1, 0.7, 1e-4), plan, 3));
        var rewards = rollout.Responses.Select(judged => judged.Reward.Total).ToArray();
        Assert.Equal(rewards.Average(), figures["reward"], 1e-12);
        Assert.Equal(0.25, figures["truncated"]);
        Assert.Equal(rollout.Groups.Count(group => group.Responses.Select(judged => judged.Reward.Total).Distinct().Count() == 1) / 6.0, figures["dead_groups"], 1e-12);
        Assert.Equal((0.5, 0.02, 0.1, 0.2, 1.05), (figures["entropy"], figures["kl"], figures["clip_low"], figures["clip_high"], figures["ratio"]));
        Assert.Equal(figures["reward"], figures["reward.random"]);
        var reading = StepFigures.Reading(7, figures);
        Assert.Equal(new HealthReading(7, 0.7, 1.01, 0.02, 0.5, figures["reward"], 0.25, figures["dead_groups"], 0.4), reading);
    }

    [Fact]
    public void Samples_of_one_rollout_have_seeds_of_their_own()
    {
        var seeds = new HashSet<ulong>();
        for (int step = 1; step <= 5; step++)
        {
            for (int prompt = 0; prompt < 20; prompt++)
            {
                Assert.All(Enumerable.Range(0, 8), sample => Assert.True(seeds.Add(RolloutCollector.SampleSeed(1, step, prompt, sample))));
            }
        }
    }

    public void Dispose()
    {
        _device.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>Runs from the same first weights; returns how many responses were judged.</summary>
    private int Start(
        string folder, string crash = "", int count = 0, List<int>? judged = null, string identity = "a", HealthSettings? health = null)
    {
        int arenas = Arena.LiveArenas;
        var environment = new ParityEnvironment { CrashAt = crash == "judge" ? count : 0 };
        try
        {
            using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
            using var reference = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
            using var generator = new Generator(_device, model, new EngineSettings { MaxRunning = 8 });
            var settings = TestRollouts.Settings(updates: 2, rate: 5e-3, steps: Steps) with
            {
                MaxNewTokens = 6,
                Policy = new PolicySettings { KlWeight = 0.01f },
            };
            using var trainer = new GrpoTrainer(_device, model, settings, reference);
            var plan = CurriculumPlan.Gaussian(
                [.. Enumerable.Range(0, 20).Select(i => new PassRate($"{i}", i % 6, 8))],
                new CurriculumSettings { BatchPrompts = Prompts, Steps = Steps });
            var run = new GrpoRun(trainer, settings, plan, folder, identity)
            {
                Seed = 3,
                CheckpointEvery = 2,
                Health = health ?? new HealthSettings { DeadGroups = new GateLimit(1, 0) },
                OnStage = (stage, step) =>
                {
                    if (stage.ToString() == crash && step == count)
                    {
                        throw new CrashException();
                    }
                },
            };
            run.Run(
                new CrashingSampler(new EngineSampler(generator, [2], settings.MaxNewTokens)) { CrashAt = crash == "sample" ? count : 0 },
                environment, new ProgressOptions { Label = "test", Unit = "steps", Quiet = true });
            return environment.Judged;
        }
        finally
        {
            judged?.Add(environment.Judged);
            Assert.Equal(arenas, Arena.LiveArenas);
        }
    }

    /// <summary>Rewards responses that begin with a token of the prompt's parity and end by themselves.</summary>
    private sealed class ParityEnvironment : IRolloutEnvironment
    {
        public int CrashAt { get; init; }

        public int Judged { get; private set; }

        public RolloutPrompt Prompt(string id)
        {
            int number = int.Parse(id);
            return new RolloutPrompt(id, number % 2 == 0 ? "even" : "odd", [1, 3 + number, 30]);
        }

        public string Text(SampledResponse response) => string.Join(' ', response.Content.ToArray());

        public Reward Judge(string id, SampledResponse response, string text)
        {
            if (Judged + 1 == CrashAt)
            {
                throw new CrashException();
            }

            Judged++;
            return new Reward(response.Ids[0] % 2 == int.Parse(id) % 2 ? 1 : 0, 1, true, 0);
        }
    }

    private sealed class CrashingSampler(IResponseSampler inner) : IResponseSampler
    {
        private int _calls;

        public int CrashAt { get; init; }

        public IReadOnlyList<SampledResponse> Sample(IReadOnlyList<SampleRequest> requests) =>
            ++_calls == CrashAt ? throw new CrashException() : inner.Sample(requests);
    }

    private sealed class CrashException : Exception;
}
