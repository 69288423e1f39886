using System.Text.Json;
using Tessera.Alignment.Rewards;
using Tessera.Cli.Data;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tokenizers;
using Tessera.Runs;
using Tessera.Tasks;

namespace Tessera.Cli.Tests;

public sealed class RlTests(TinyModel files)
{
    private const string Template =
        "{{ bos_token }}<|system|>{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% endif %}{% for message in messages %}"
        + "{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}{% elif message['role'] == 'assistant' %}<|assistant|>"
        + "{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    // Random models solve nothing: a ceiling above 1 keeps every prompt, the gate for dead groups has no patience.
    private static readonly string[] Small =
    [
        "--tasks", "compare,add", "--levels", "1", "--steps", "2", "--prompts", "4", "--samples", "3", "--pool", "10", "--max-new-tokens", "6",
        "--threads", "2",
    ];

    [Fact]
    public void A_run_leaves_a_model_its_records_and_the_arithmetic_of_its_batches()
    {
        string output = files.At("rl-records");
        var run = CliRun.Good(["rl", files.Plain, "--out", output, .. Small, "--json"]);
        Assert.Contains(
            "2 steps; a step: 4 prompts x 3 samples = 12 responses, 2 updates of 6 responses, at most", run.Error, StringComparison.Ordinal);
        var json = run.Json();
        Assert.Equal((2, 4), (json.GetProperty("steps").GetInt32(), json.GetProperty("updates").GetInt32()));
        Assert.Equal(1, json.GetProperty("figures").GetProperty("gap_mean_exp").GetDouble(), 1e-5);

        using (var model = ModelFolder.Load(output))
        {
            Assert.Equal(2, model.Layers.Count);
        }

        Assert.NotNull(ModelFolder.LoadTokenizer(output));
        Assert.Equal(2, MetricsWriter.Read(Path.Combine(output, "metrics.jsonl")).Count());
        Assert.Equal(11, File.ReadLines(Path.Combine(output, "pass-rates.jsonl")).Count());
        Assert.Equal(9, File.ReadLines(Path.Combine(output, "rewards.jsonl")).Count());
        var samples = File.ReadLines(Path.Combine(output, "samples.jsonl")).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(24, samples.Count);
        Assert.All(samples, sample => Assert.InRange(sample.GetProperty("tokens").GetInt32(), 1, 6));
        Assert.All(samples, sample => Assert.EndsWith("/off", sample.GetProperty("prompt").GetString(), StringComparison.Ordinal));

        // Every reward is what the verifier says about the text that was kept.
        var source = new ProblemSource(ProblemSplit.Training, 1, [TaskCatalog.Get("compare"), TaskCatalog.Get("add")], [1]);
        foreach (var sample in samples)
        {
            var problem = source.Create(long.Parse(sample.GetProperty("prompt").GetString()!.Split('/')[0]));
            var reward = ProblemReward.Of(
                problem, ThinkingMode.Off, sample.GetProperty("text").GetString()!, sample.GetProperty("finished").GetBoolean(), 1, OverlongPenalty.None);
            Assert.Equal(reward.Total, sample.GetProperty("reward").GetDouble());
        }

        // The same command again finds everything done.
        byte[] before = File.ReadAllBytes(Path.Combine(output, "model.safetensors"));
        CliRun.Good(["rl", files.Plain, "--out", output, .. Small]);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(output, "model.safetensors")));
        CliRun.Refused(["rl", files.Plain, "--out", output, .. Small, "--lr", "1e-3"], "other settings");
    }

    [Fact]
    public void Pass_rates_of_an_earlier_run_give_the_run_that_estimated_them()
    {
        string first = files.At("rl-estimated"), second = files.At("rl-reused"), rates = Path.Combine(files.At("rl-estimated"), "pass-rates.jsonl");
        CliRun.Good(["rl", files.Plain, "--out", first, .. Small]);
        CliRun.Good(["rl", files.Plain, "--out", second, .. Small, "--pass-rates", rates]);
        foreach (string name in (string[])["model.safetensors", "metrics.jsonl", "samples.jsonl", "rewards.jsonl", "curriculum.jsonl"])
        {
            // Runs have the same identity, as the rates are part of it and not where they came from.
            Assert.Equal(File.ReadAllBytes(Path.Combine(first, name)), File.ReadAllBytes(Path.Combine(second, name)));
        }

        CliRun.Refused(["rl", files.Plain, "--out", files.At("rl-x"), .. Small, "--pass-rates", rates, "--seed", "2"], "pass-rates.jsonl", "other problems");
        CliRun.Refused(["rl", files.Plain, "--out", files.At("rl-x"), .. Small, "--pass-rates", files.At("nowhere")], "nowhere");
    }

    [Fact]
    public void A_model_with_a_template_is_asked_with_the_switch_in_both_modes()
    {
        string model = ChatModel(), output = files.At("rl-chat");
        CliRun.Good(
            [
                "rl", model, "--out", output,
                .. With("--thinking", "both", "--pass-rates", "none", "--curriculum", "random", "--kl", "0", "--prompts", "8", "--pool", "0"),
            ]);
        string[] labels = [.. Labels(output)];
        Assert.Contains(labels, label => label.EndsWith(".on", StringComparison.Ordinal));
        Assert.Contains(labels, label => label.EndsWith(".off", StringComparison.Ordinal));
        Assert.Equal(Template, File.ReadAllText(Path.Combine(output, "chat_template.jinja")));

        var source = ModelSource.Open(model);
        var tokenizer = source.RequireTokenizer("test");
        var prompts = new RolloutPrompts(source, tokenizer);
        var problem = new Problem("add", 1, "47+85", "", "132");
        int[] ids = prompts.Encode(problem, ThinkingMode.On);
        Assert.Equal("<s><|system|>detailed thinking on<|user|>47+85<|assistant|>", tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.Equal(
            "<s><|system|>detailed thinking off<|user|>47+85<|assistant|>",
            tokenizer.Decode(prompts.Encode(problem, ThinkingMode.Off), skipSpecialTokens: false));
        int[] expected = [.. ((string[])["<s>", "<|system|>", "<|user|>", "<|assistant|>"]).Select(token => tokenizer.TokenId(token)!.Value)];
        Assert.Equal(expected, ids.Where(id => tokenizer.IsSpecial(id)));

        static IEnumerable<string> Labels(string folder) => File.ReadLines(Path.Combine(folder, "samples.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("label").GetString()!);
    }

    [Fact]
    public void Options_that_do_not_fit_are_refused_by_name()
    {
        string[] start = ["rl", files.Plain, "--out", files.At("rl-bad")];
        CliRun.Refused([.. start, .. With("--thinking", "on")], "--thinking on", "chat template");
        CliRun.Refused([.. start, .. With("--updates", "5")], "5 updates", "4 prompts");
        CliRun.Refused([.. start, .. With("--samples", "1")], "--samples 1");
        CliRun.Refused([.. start, .. With("--max-new-tokens", "95")], "--max-new-tokens 95", "96 positions");
        CliRun.Refused([.. start, .. With("--pass-rates", "none")], "Gaussian");
        CliRun.Refused([.. start, .. With("--clip-low", "1.5")], "--clip-low");
        CliRun.Refused([.. start, .. With("--clip-dual", "0.5")], "dual clip");
        CliRun.Refused([.. start, .. With("--gate", "gap=1.05")], "--gate gap=1.05");
        CliRun.Refused([.. start, .. With("--gate", "luck=1:2")], "--gate luck=1:2");
        CliRun.Refused([.. start, .. With("--pool", "3")], "8 prompts", "3 of 3");
        CliRun.Refused(["rl", files.Plain, "--out", files.Plain, .. Small], "--out");
        CliRun.Refused([.. start, .. With("--gate", "entropy=100:2")], "EntropyCollapse", "step 2");
    }

    /// <summary>A small run with some options in place of its own.</summary>
    private static string[] With(params string[] replaced)
    {
        var options = new List<string>(Small);
        for (int i = 0; i < replaced.Length; i += 2)
        {
            int at = options.IndexOf(replaced[i]);
            if (at >= 0)
            {
                options.RemoveRange(at, 2);
            }
        }

        return [.. options, .. replaced];
    }

    private string ChatModel()
    {
        string folder = files.At("rl-chat-model"), tokenizer = files.At("rl-chat-tokenizer");
        CliRun.Good(
            "tokenizer", "train", "--problems", "60", "--vocab-size", "290", "--split-digits", "--out", tokenizer, "--special", "<pad>", "<s>", "</s>",
            "<|system|>", "<|user|>", "<|assistant|>", "<think>", "</think>");
        var vocabulary = Tokenizer.Load(tokenizer);
        string config = files.Write("rl-chat.json", $$"""
            {
              "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": {{vocabulary.VocabularySize}},
              "max_position_embeddings": 96, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "bos_token_id": {{vocabulary.TokenId("<s>")}},
              "eos_token_id": {{vocabulary.TokenId("</s>")}}, "hidden_act": "silu"
            }
            """);
        CliRun.Good("init", config, "--out", folder, "--tokenizer", tokenizer, "--seed", "7");
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), Template);
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"bos_token": "<s>", "eos_token": "</s>"}""");
        return folder;
    }
}
