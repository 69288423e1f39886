using Tessera.Models.Configuration;
using static Tessera.Models.Tests.Configuration.DeciLmJson;

namespace Tessera.Models.Tests.Configuration;

public sealed class BlockConfigsTests : IDisposable
{
    private const int Hidden = 384;
    private const int Heads = 12;
    private readonly TemporaryFolder _folder = new();

    /// <summary>Attention, feed-forward, and a part of the sentence that must be thrown.</summary>
    public static TheoryData<string, string, string> BadBlocks()
    {
        string ffn = FeedForward(2), attention = Attention(4);
        return new TheoryData<string, string, string>
        {
            { "\"n_heads_in_group\": 5", ffn, "attention.n_heads_in_group is 5, expected a divisor of num_attention_heads 12" },
            { "\"n_heads_in_group\": 0", ffn, "attention.n_heads_in_group is 0, expected an integer from 1 to 12" },
            { "\"n_heads_in_group\": null", ffn, "attention.n_heads_in_group is null, expected" },
            { "\"num_key_value_heads\": 5", ffn, "attention.num_key_value_heads is 5, expected a divisor" },
            { "", ffn, "attention.n_heads_in_group is missing" },
            { "\"no_op\": 1", ffn, "attention.no_op is 1, expected true or false" },
            { "\"no_op\": true, \"replace_with_linear\": true", ffn, "attention.replace_with_linear is true, expected false" },
            { "\"n_heads_in_group\": 4, \"window_length\": 0", ffn, "attention.window_length is 0, expected an integer from 1 to" },
            { "\"n_heads_in_group\": 4, \"num_sink_tokens\": 0", ffn, "attention.num_sink_tokens is 0, expected null" },
            { "\"n_heads_in_group\": 4, \"sparsify\": [\"q_proj\"]", ffn, "attention.sparsify is [\"q_proj\"], expected null" },
            { "\"n_heads_in_group\": 4, \"unshifted_sink\": true", ffn, "attention.unshifted_sink is true, expected false" },
            { attention, "\"ffn_mult\": null", "ffn.ffn_mult is null, expected a positive finite number" },
            { attention, "", "ffn.ffn_mult is missing, expected a value" },
            { attention, "\"ffn_mult\": \"2\"", "ffn.ffn_mult is \"2\", expected a positive finite number" },
            { attention, "\"ffn_mult\": 1e-7", "ffn.ffn_mult is 1e-7, expected a multiplier of hidden_size 384" },
            { attention, "\"ffn_mult\": 1e300", "ffn.ffn_mult is 1e300, expected a multiplier of hidden_size 384" },
            { attention, "\"intermediate_size\": 20000000", "ffn.intermediate_size is 20000000, expected an integer from 1 to 16777216" },
            { attention, "\"ffn_mult\": 2.0, \"sparsify\": []", "ffn.sparsify is [], expected null" },
            { attention, "\"ffn_mult\": 2.0, \"moe\": {}", "ffn.moe is {}, expected null" },
            { attention, "\"ffn_mult\": 2.0, \"gated\": false", "ffn.gated is false, expected true" },
            { attention, "\"ffn_mult\": 2.0, \"hidden_act\": \"relu2\"", "ffn.hidden_act is \"relu2\", expected \"silu\"" },
        };
    }

    [Theory]
    [MemberData(nameof(BadBlocks))]
    public void A_bad_block_is_refused_by_its_path(string attention, string ffn, string sentence)
    {
        string first = Block(Attention(4), FeedForward(2));
        Refused(Model(Hidden, Heads, 8.0, [first, Block(attention, ffn)]), $": block_configs[1].{sentence}");
    }

    [Fact]
    public void A_list_of_the_wrong_kind_or_length_is_refused()
    {
        string block = Block(Attention(4), FeedForward(2));
        string good = Model(Hidden, Heads, 8.0, [block, block]);
        Refused(
            good.Replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", StringComparison.Ordinal),
            "num_hidden_layers is 3, expected 2, the length of block_configs");
        Refused(Model(Hidden, Heads, 8.0, []), "num_hidden_layers is 0, expected");
        Refused(Model(Hidden, Heads, 8.0, ["3"]), "block_configs[0] is 3, expected an object");
        Refused(Model(Hidden, Heads, 8.0, ["{}"]), "block_configs[0].attention is missing, expected an object");
        Refused(Model(Hidden, Heads, 8.0, ["{\"attention\": [], \"ffn\": {}}"]), "block_configs[0].attention is [], expected an object");
        Refused(Model(Hidden, Heads, 8.0, ["{\"parallel_blocks\": [], " + block[1..]]), "parallel_blocks is [], expected null");
    }

    [Fact]
    public void Every_dialect_of_a_block_reads_as_the_same_layer()
    {
        string[] blocks =
        [
            Block(Attention(4), FeedForward(2)),
            Block("\"num_key_value_heads\": 3", "\"intermediate_size\": 512, \"gated\": true, \"hidden_act\": \"silu\", \"moe\": null"),
            Block("\"n_heads_in_group\": 4, \"num_key_value_heads\": 999, \"unknown\": {}", "\"ffn_mult\": 2, \"intermediate_size\": 77"),
        ];
        ModelConfiguration model = ConfigurationReader.Read(_folder.Write("config.json", Model(Hidden, Heads, 8.0, blocks)));
        var expected = new LayerConfiguration(new AttentionConfiguration(3), new SwiGluConfiguration(512));
        Assert.All(model.Layers, layer => Assert.Equal(expected, layer));
    }

    [Fact]
    public void Removed_and_linear_halves_ignore_their_widths()
    {
        const string Linear = "\"replace_with_linear\": true, \"n_heads_in_group\": null, \"ffn_mult\": null";
        string[] blocks = [Block(Linear, "\"no_op\": true, \"ffn_mult\": 3.0"), Block("\"no_op\": true, \"n_heads_in_group\": 5", Linear)];
        ModelConfiguration model = ConfigurationReader.Read(_folder.Write("config.json", Model(Hidden, Heads, 8.0, blocks)));
        Assert.Equal(["linear none", "none linear"], model.Layers.Select(layer => layer.ToString()));
        long square = ((long)Hidden * Hidden) + Hidden;
        Assert.Equal((square, 0L), (model.MixerParameterCount(0), model.FeedForwardParameterCount(0)));
        Assert.Equal((0L, square), (model.MixerParameterCount(1), model.FeedForwardParameterCount(1)));
        Assert.Equal(0, model.KvElementsPerToken);
        Assert.Equal((2.0 * 2 * Hidden * Hidden) + (2.0 * 128_256 * Hidden), model.FlopsPerToken(4096));
    }

    public void Dispose() => _folder.Dispose();

    private void Refused(string content, string sentence)
    {
        string path = _folder.Write("config.json", content);
        var error = Assert.Throws<InvalidDataException>(() => ConfigurationReader.Read(path));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
    }
}
