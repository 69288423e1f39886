using Tessera.Models.Safetensors;

namespace Tessera.Cli.Tests;

public sealed class InspectTests(TinyModel files)
{
    [Fact]
    public void Parameters_are_as_many_as_the_weights_file_holds_elements()
    {
        foreach (string model in new[] { files.Plain, files.Mixed, files.WithLinear })
        {
            var json = CliRun.Good("inspect", model, "--json").Json();
            using var weights = SafetensorsCheckpoint.Open(model);
            long elements = weights.Files.Sum(file => file.Tensors.Sum(tensor => tensor.ElementCount));

            long parameters = json.GetProperty("parameters").GetInt64();
            long layers = json.GetProperty("per_layer").EnumerateArray()
                .Sum(layer => layer.GetProperty("mixer_parameters").GetInt64() + layer.GetProperty("feed_forward_parameters").GetInt64());
            Assert.Equal(elements, parameters);
            Assert.Equal(elements, layers + json.GetProperty("embedding_parameters").GetInt64() + 32);
            Assert.Equal(4 * elements, json.GetProperty("bytes_f32").GetInt64());
            Assert.True(json.GetProperty("weights").GetProperty("fits").GetBoolean());
            Assert.Equal(0, json.GetProperty("weights").GetProperty("unknown_tensors").GetArrayLength());
        }
    }

    [Fact]
    public void Layers_cache_bytes_and_attention_costs_are_told()
    {
        var json = CliRun.Good("inspect", $"random:{files.Mixed}.json", "--json", "--context", "10").Json();
        var longer = CliRun.Good("inspect", $"random:{files.Mixed}.json", "--json", "--context", "11").Json();

        var layers = json.GetProperty("per_layer").EnumerateArray().ToList();
        Assert.Equal(["kv2", "none", "kv1", "kv4"], layers.Select(layer => layer.GetProperty("mixer").GetString()));
        Assert.Equal(["ffn48", "ffn32", "none", "ffn64"], layers.Select(layer => layer.GetProperty("feed_forward").GetString()));
        // Keys and values of 2 + 1 + 4 heads of 8, two bytes each.
        Assert.Equal(2 * 7 * 8 * 2, json.GetProperty("kv_bytes_per_token_bf16").GetInt64());
        // One more token of context: scores and weighted sums of 3 layers with 4 heads of 8, 2 FLOPs a multiply-add.
        Assert.Equal(3 * 4 * 8 * 4, longer.GetProperty("flops_per_token").GetDouble() - json.GetProperty("flops_per_token").GetDouble());
        Assert.Equal(System.Text.Json.JsonValueKind.Null, json.GetProperty("weights").ValueKind);
    }

    [Fact]
    public void A_configuration_without_weights_is_enough()
    {
        string text = CliRun.Good("inspect", files.Plain + ".json").Output;

        Assert.Contains("weights         none there", text);
        Assert.Matches("(?m)^1 +kv2 +ffn48 ", text);
    }

    [Fact]
    public void Weights_that_do_not_fit_the_configuration_are_named_and_unknown_tensors_listed()
    {
        string folder = files.At("misfit");
        CliRun.Good("export", files.Plain, "--out", folder);
        string config = Path.Combine(folder, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", StringComparison.Ordinal));
        var shorter = CliRun.Good("inspect", folder, "--json").Json();
        Assert.Equal(9, shorter.GetProperty("weights").GetProperty("unknown_tensors").GetArrayLength());

        File.WriteAllText(config, File.ReadAllText(config).Replace("\"intermediate_size\": 48", "\"intermediate_size\": 40", StringComparison.Ordinal));
        CliRun.Refused(["inspect", folder], "model.layers.0.mlp.gate_proj.weight", "[48, 32]", "[40, 32]", "and 2 more");
    }

    [Fact]
    public void A_missing_model_and_a_bad_context_are_refused()
    {
        CliRun.Refused(["inspect", files.At("nowhere")], files.At("nowhere"), "config.json");
        CliRun.Refused(["inspect", "random:"], "random:");
        CliRun.Refused(["inspect", files.Plain, "--context", "0"], "--context 0");
    }
}
