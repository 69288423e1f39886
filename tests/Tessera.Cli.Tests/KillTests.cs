using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Tessera.Cli.Tests;

/// <summary>Processes killed at random moments, started again, and compared with one left alone.</summary>
[Trait("Category", "Slow")]
public sealed class KillTests : IDisposable
{
    private const int Kills = 10;
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-kill").FullName;

    [Fact]
    public void A_training_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        string model = TinyModel();
        string[] arguments =
        [
            "train", model, "--tasks", "add,compare", "--steps", "120", "--batch-tokens", "512", "--accumulate", "2", "--warmup", "5",
            "--validation-tokens", "512", "--validate-every", "30", "--checkpoint-every", "3", "--threads", "2",
        ];
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. arguments, "--out", Path.Combine(_folder, "killed")], alone, 1);
        AssertSameFiles("alone", "killed", "model.safetensors", "config.json", "checkpoint.safetensors", "metrics.jsonl");
    }

    [Fact]
    public void A_tokenising_and_a_training_on_its_blend_killed_ten_times_end_with_the_bytes_of_one_left_alone()
    {
        string model = TinyModel();
        var random = new Random(1);
        foreach (string name in (string[])["web.jsonl", "prose.txt"])
        {
            var texts = Enumerable.Range(0, 40_000).Select(_ => string.Join(' ', Enumerable.Range(0, random.Next(1, 80)).Select(_ => random.Next(1000))));
            bool rows = name.EndsWith(".jsonl", StringComparison.Ordinal);
            File.WriteAllText(
                Path.Combine(_folder, name), string.Concat(texts.Select(text => rows ? $"{{\"text\": \"{text}\"}}\n" : text + "<|endoftext|>")));
        }

        string[] tokenize =
        [
            "data", "tokenize", Path.Combine(_folder, "web.jsonl"), Path.Combine(_folder, "prose.txt"), "--tokenizer", Path.Combine(_folder, "tokenizer"),
            "--shard-tokens", "100K", "--threads", "2",
        ];
        var alone = Complete([.. tokenize, "--out", Path.Combine(_folder, "shards")]);
        KillAtRandomMoments([.. tokenize, "--out", Path.Combine(_folder, "shards-killed")], alone, 22);
        string[] names = [.. Directory.GetFiles(Path.Combine(_folder, "shards")).Select(path => Path.GetFileName(path)!)];
        Assert.True(names.Length > 20, $"{names.Length} files");
        Assert.Equal(names.Order(), Directory.GetFiles(Path.Combine(_folder, "shards-killed")).Select(path => Path.GetFileName(path)!).Order());
        AssertSameFiles("shards", "shards-killed", names);

        string blend = Path.Combine(_folder, "blend.yaml");
        File.WriteAllText(blend, """
            sources: {web: {shards: shards, weight: 2}, sums: {tasks: "add,compare"}}
            phases: [{until: 20K}, {until: 50K, weights: {web: 0}}, {weights: {sums: 3}}]
            """);
        string[] train =
        [
            "train", model, "--data", blend, "--steps", "120", "--batch-tokens", "512", "--max-length", "128", "--accumulate", "2", "--warmup", "5",
            "--validation-tokens", "512", "--validate-every", "30", "--checkpoint-every", "3", "--threads", "2", "--schedule", "wsd", "--decay", "0.3",
        ];
        alone = Complete([.. train, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. train, "--out", Path.Combine(_folder, "killed")], alone, 18);
        AssertSameFiles("alone", "killed", "model.safetensors", "config.json", "checkpoint.safetensors", "metrics.jsonl");
    }

    [Fact]
    public void A_compression_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        string[] arguments = Compression();
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. arguments, "--out", Path.Combine(_folder, "killed")], alone, 2);
        AssertSameCompression("alone", "killed");
    }

    [Fact]
    public void A_compression_with_races_and_rounds_around_the_child_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        string[] arguments = [.. Compression(), "--rescore", "2", "--race", "3"];
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        string[] joined = [.. arguments, "--out", Path.Combine(_folder, "killed")];
        Parallel.For(0, 2, i => KillAtRandomMoments(joined, alone / 2, 30 + i));
        AssertSameFiles("alone", "killed", "child/model.safetensors", "child/config.json");
        string[] records = [.. Records("alone")];
        Assert.True(records.Length >= 4, $"{records.Length} records: scores, the first choice, and a round with its scores");
        Assert.Equal(records, Records("killed"));
        AssertSameFiles("alone", "killed", records);

        IEnumerable<string> Records(string run) => Directory.GetFiles(Path.Combine(_folder, run), "*.json*", SearchOption.AllDirectories)
            .Where(path => Path.GetFileName(path) is "scores.jsonl" or "first.json" or "round.json").Select(path => Path.GetRelativePath(Path.Combine(_folder, run), path)).Order();
    }

    [Fact]
    public void A_healing_in_phases_and_its_pretraining_killed_ten_times_end_with_the_bits_of_one_left_alone()
    {
        string blend = Path.Combine(_folder, "blend.yaml");
        File.WriteAllText(blend, "sources: {sums: {tasks: add}, comparisons: {tasks: compare, weight: 2}}\n");
        string[] arguments =
        [
            .. Compression().Where(argument => argument is not ("--heal-steps" or "40")), "--heal-lengths", "48x60,96x60,192x60", "--heal-patience", "3",
            "--pretrain-steps", "120", "--pretrain-data", blend, "--pretrain-batch-tokens", "512", "--pretrain-kl", "0.5",
        ];
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. arguments, "--out", Path.Combine(_folder, "killed")], alone, 2);
        AssertSameCompression("alone", "killed");
        string[] stages = [.. Directory.GetDirectories(Path.Combine(_folder, "alone")).Select(folder => Path.GetFileName(folder)!)];
        foreach (string stage in stages.Where(name => name.StartsWith("heal-", StringComparison.Ordinal) || name.StartsWith("pretrain-", StringComparison.Ordinal)))
        {
            AssertSameFiles(Path.Combine("alone", stage), Path.Combine("killed", stage), "checkpoint.safetensors", "metrics.jsonl");
        }
    }

    [Fact]
    public void Two_processes_share_a_compression_and_no_job_is_done_twice()
    {
        string[] arguments = Compression();
        Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        string[] joined = [.. arguments, "--out", Path.Combine(_folder, "shared"), "--json"];
        (string Output, string Errors)[] ends = Together(joined, joined);
        AssertSameCompression("alone", "shared");
        Assert.Equal(ends[0].Output, ends[1].Output);
        foreach (string stage in (string[])["library", "scores"])
        {
            // A process that came too late for a stage has nothing to say of its share.
            var shares = ends.Select(end => Regex.Match(end.Errors, stage + @": (\d+) of (\d+) jobs were done by this process")).Where(share => share.Success).ToList();
            int total = Directory.GetFiles(Path.Combine(_folder, "shared"), "layer*.json", SearchOption.AllDirectories)
                .Count(path => path.Contains($"{stage}-", StringComparison.Ordinal));
            Assert.Equal(2, shares.Count);
            Assert.All(shares, share => Assert.Equal(total, int.Parse(share.Groups[2].ValueSpan, CultureInfo.InvariantCulture)));
            Assert.Equal(total, shares.Sum(share => int.Parse(share.Groups[1].ValueSpan, CultureInfo.InvariantCulture)));
        }

        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "shared"), "*.lease", SearchOption.AllDirectories));
        Assert.Empty(Directory.GetDirectories(Path.Combine(_folder, "shared"), "states", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_shared_compression_whose_processes_are_killed_ends_with_the_bits_of_one_left_alone()
    {
        string[] arguments = Compression();
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        string[] joined = [.. arguments, "--out", Path.Combine(_folder, "killed")];
        // Each has the other to work for it, so half of the time is left for kills.
        Parallel.For(0, 2, i => KillAtRandomMoments(joined, alone / 2, 10 + i));
        AssertSameCompression("alone", "killed");
    }

    [Fact]
    public void A_damaged_file_of_a_finished_job_is_named_and_made_again()
    {
        string[] arguments = Compression();
        string[] run = [.. arguments, "--out", Path.Combine(_folder, "alone")];
        Complete(run);
        File.Copy(Path.Combine(_folder, "alone", "child", "model.safetensors"), Path.Combine(_folder, "before"));
        string weights = Directory.GetFiles(Path.Combine(_folder, "alone"), "layer001.*.safetensors", SearchOption.AllDirectories).Order().First();
        byte[] good = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, [.. good[..^1], (byte)(good[^1] ^ 0x40)]);

        // The scores are forgotten too, so that the library is read.
        foreach (string record in Directory.GetFiles(Path.Combine(_folder, "alone"), "layer001.group*.json", SearchOption.AllDirectories))
        {
            File.Delete(record);
        }

        using var process = Start(run);
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
        Assert.Contains($"{weights}: the file does not hold what job '{Path.GetFileNameWithoutExtension(weights)}' left there", errors, StringComparison.Ordinal);
        Assert.Equal(good, File.ReadAllBytes(weights));
        Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "before")), File.ReadAllBytes(Path.Combine(_folder, "alone", "child", "model.safetensors")));
    }

    [Fact]
    public void A_fusion_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        const string Free = """{"attention": {"no_op": true}, "ffn": {"intermediate_size": 64}}""";
        string model = TinyModel($$$"""
            "block_configs": [{"attention": {"n_heads_in_group": 2}, "ffn": {"intermediate_size": 128}}, {{{Free}}}, {{{Free}}}, {{{Free}}}],
            "architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas", "num_hidden_layers": 4
            """);
        string[] arguments =
        [
            "fuse", model, "--tasks", "add,compare", "--last", "--input-length", "16", "--output-length", "16", "--rounds", "3",
            "--calibration-tokens", "4096", "--scoring-tokens", "1024", "--batch-tokens", "512", "--heal-steps", "60", "--heal-batch-tokens",
            "1024", "--problems", "16", "--threads", "2",
        ];
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. arguments, "--out", Path.Combine(_folder, "killed")], alone, 5);
        string matrix = Path.GetRelativePath(
            Path.Combine(_folder, "alone"), Directory.GetFiles(Path.Combine(_folder, "alone"), "dependency.json", SearchOption.AllDirectories).Single());
        AssertSameFiles("alone", "killed", "child/model.safetensors", "child/config.json", matrix);
    }

    [Fact]
    public void Reinforcement_learning_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        // A model that solves some of its problems: rewards differ, and so do updates.
        string model = Path.Combine(_folder, "trained");
        Complete(
        [
            "train", TinyModel(), "--tasks", "compare", "--levels", "1,2", "--steps", "250", "--batch-tokens", "1024", "--lr", "3e-3",
            "--validation-tokens", "0", "--threads", "2", "--dtype", "f32", "--out", model,
        ]);
        string[] arguments =
        [
            "rl", model, "--tasks", "compare", "--levels", "1,2", "--steps", "12", "--prompts", "8", "--samples", "8", "--pool", "96",
            "--max-new-tokens", "64", "--ceiling", "2", "--checkpoint-every", "2", "--threads", "2",
        ];
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. arguments, "--out", Path.Combine(_folder, "killed")], alone, 3);
        AssertSameFiles(
            "alone", "killed", "pass-rates.jsonl", "curriculum.jsonl", "rewards.jsonl", "metrics.jsonl", "samples.jsonl", "checkpoint.safetensors",
            "model.safetensors", "config.json");
        Assert.Contains("\"accuracy\":1,", File.ReadAllText(Path.Combine(_folder, "alone", "samples.jsonl")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_fine_tuning_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        string template = Path.Combine(TestSupport.SharedData.RepositoryRoot, "recipes", "chat", "chat_template.jinja");
        string[] arguments =
        [
            "sft", TinyModel(), "--tasks", "add,compare", "--template", template, "--steps", "120", "--batch-tokens", "1024", "--warmup", "5",
            "--validation-tokens", "512", "--validate-every", "30", "--checkpoint-every", "3", "--max-length", "256", "--threads", "2",
        ];
        var alone = Complete([.. arguments, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments([.. arguments, "--out", Path.Combine(_folder, "killed")], alone, 4);
        AssertSameFiles(
            "alone", "killed", "model.safetensors", "config.json", "checkpoint.safetensors", "metrics.jsonl", "chat_template.jinja");
    }

    // An export cannot go on where it was killed and a training can: the recipe has to know which is which.
    [Fact]
    public void A_recipe_killed_ten_times_ends_with_the_bits_of_one_left_alone()
    {
        string model = TinyModel();
        string recipe = Path.Combine(_folder, "recipe.yaml");
        File.WriteAllText(
            recipe,
            $$"""
            name: killed
            stages:
              - {name: copy, run: export, arguments: "{{model}}" }
              - name: base
                run: train
                arguments: ${stages.copy}
                options: {tasks: add, steps: 60, batch-tokens: 512, warmup: 5, validation-tokens: 512, checkpoint-every: 3, threads: 2}
              - {name: half, run: export, arguments: "${stages.base}", options: {dtype: bf16} }
              - name: more
                run: train
                arguments: ${stages.half}
                options: {tasks: compare, steps: 60, batch-tokens: 512, warmup: 5, validation-tokens: 512, checkpoint-every: 3, threads: 2}
            report: {curves: [base, more]}
            """);
        var alone = Complete(["run", recipe, "--out", Path.Combine(_folder, "alone")]);
        KillAtRandomMoments(["run", recipe, "--out", Path.Combine(_folder, "killed")], alone, 3);
        string[] stages = [.. Directory.GetDirectories(Path.Combine(_folder, "alone")).Select(folder => Path.GetFileName(folder)!)];
        Assert.Equal(4, stages.Length);
        foreach (string stage in stages)
        {
            AssertSameFiles(Path.Combine("alone", stage), Path.Combine("killed", stage), "model.safetensors", "config.json");
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A compression of a tiny model whose costs were measured before.</summary>
    private string[] Compression()
    {
        string model = TinyModel();
        string costs = Path.Combine(_folder, "costs.json");
        Complete(["measure", model, "--rounds", "3", "--input-length", "16", "--output-length", "16", "--out", costs]);
        return
        [
            "compress", model, "--tasks", "add,compare", "--target", "parameters<=80%", "--costs", costs, "--input-length", "16",
            "--output-length", "16", "--rounds", "1", "--calibration-tokens", "1024", "--scoring-tokens", "1024", "--batch-tokens", "512",
            "--block-steps", "6", "--heal-steps", "40", "--heal-batch-tokens", "1024", "--problems", "16", "--threads", "2",
        ];
    }

    private void AssertSameCompression(string expected, string actual)
    {
        AssertSameFiles(expected, actual, "child/model.safetensors", "child/config.json");
        foreach (string record in (string[])["scores.jsonl", "costs.json", "library.json"])
        {
            string one = Directory.GetFiles(Path.Combine(_folder, expected), record, SearchOption.AllDirectories).Single();
            string other = Directory.GetFiles(Path.Combine(_folder, actual), record, SearchOption.AllDirectories).Single();
            Assert.Equal(File.ReadAllBytes(one), File.ReadAllBytes(other));
        }
    }

    /// <summary>Runs commands at the same time; all succeed.</summary>
    private static (string Output, string Errors)[] Together(params string[][] commands)
    {
        var processes = commands.Select(command => Process.Start(
            new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "tessera"), command) { RedirectStandardOutput = true, RedirectStandardError = true })!).ToList();
        var ends = processes.Select(process => (Output: process.StandardOutput.ReadToEndAsync(), Errors: process.StandardError.ReadToEndAsync())).ToList();
        return [.. processes.Zip(ends, (process, end) =>
        {
            using (process)
            {
                process.WaitForExit();
                Assert.True(process.ExitCode == 0, end.Errors.Result);
                return (end.Output.Result, end.Errors.Result);
            }
        })];
    }

    private string TinyModel(string layers = """
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "intermediate_size": 128, "num_hidden_layers": 3, "num_key_value_heads": 2
        """)
    {
        string tokenizer = Path.Combine(_folder, "tokenizer");
        Complete(["tokenizer", "train", "--problems", "500", "--vocab-size", "300", "--split-digits", "--out", tokenizer]);
        string configuration = Path.Combine(_folder, "config.json");
        File.WriteAllText(
            configuration,
            $$"""
            { {{layers}}, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 300, "max_position_embeddings": 256,
             "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": true,
             "torch_dtype": "float32", "hidden_act": "silu"}
            """);
        string model = Path.Combine(_folder, "model");
        Complete(["init", configuration, "--out", model, "--tokenizer", tokenizer]);
        return model;
    }

    /// <summary>Kills at ten moments spread by a seeded generator over the whole duration, then lets it finish.</summary>
    private static void KillAtRandomMoments(string[] arguments, TimeSpan duration, int seed)
    {
        var random = new Random(seed);
        int killed = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            using var process = Start(arguments);
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            // Work that was done is not done again, so later kills come sooner to fall into the work that is left.
            double share = random.NextDouble() * (kill % 2 == 0 ? 1.0 : 0.5);
            if (!process.WaitForExit(duration * share))
            {
                process.Kill();
                process.WaitForExit();
                killed++;
            }
        }

        Assert.True(killed > 0, "every run ended before its kill");
        Complete(arguments);
    }

    private static TimeSpan Complete(string[] arguments)
    {
        long start = Stopwatch.GetTimestamp();
        using var process = Start(arguments);
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"tessera {arguments[0]} ended with {process.ExitCode}: {errors}");
        return Stopwatch.GetElapsedTime(start);
    }

    private static Process Start(string[] arguments)
    {
        var info = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "tessera"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(info)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        return process;
    }

    private void AssertSameFiles(string one, string other, params string[] names)
    {
        foreach (string name in names)
        {
            byte[] expected = File.ReadAllBytes(Path.Combine(_folder, one, name));
            byte[] actual = File.ReadAllBytes(Path.Combine(_folder, other, name));
            Assert.True(expected.AsSpan().SequenceEqual(actual), $"{name} differs after the kills");
        }
    }
}
