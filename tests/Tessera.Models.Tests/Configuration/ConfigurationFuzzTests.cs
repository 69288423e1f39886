using System.Text;
using Tessera.Devices;
using Tessera.Models.Configuration;
using static Tessera.Models.Tests.Configuration.DeciLmJson;

namespace Tessera.Models.Tests.Configuration;

public class ConfigurationFuzzTests
{
    private const int Mutants = 1000;

    private const string Llama =
        """
        {"architectures":["LlamaForCausalLM"],"bos_token_id":1,"eos_token_id":[2,3],"head_dim":8,"hidden_act":"silu",
        "hidden_size":64,
        "intermediate_size":176,"num_attention_heads":8,"num_hidden_layers":4,"num_key_value_heads":2,"rms_norm_eps":1e-05,
        "rope_parameters":{"factor":8.0,"high_freq_factor":4.0,"low_freq_factor":1.0,"original_max_position_embeddings":128,
        "rope_theta":5e5,"rope_type":"llama3"},"tie_word_embeddings":false,"dtype":"float32","vocab_size":320}
        """;

    [Fact]
    public void A_mutated_Llama_configuration_reads_sanely_or_is_refused() => Fuzz(Llama, 1);

    [Fact]
    public void A_mutated_DeciLm_configuration_reads_sanely_or_is_refused() =>
        Fuzz(Model(64, 8, 8.0, [Block(Attention(4), FeedForward(2.5)), Block(NoAttention, NoFeedForward)]), 2);

    [Fact]
    public void A_mutated_index_opens_or_is_refused()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.safetensors", Safetensors.SafetensorsBytes.File(Safetensors.SafetensorsBytes.PublishedHeader, 16));
        byte[] index = """{"metadata":{"total_size":16},"weight_map":{"test":"a.safetensors"}}"""u8.ToArray();
        Run(index, 3, mutant =>
        {
            folder.Write("model.safetensors.index.json", mutant);
            using var checkpoint = Models.Safetensors.SafetensorsCheckpoint.Open(folder.FullPath);
        });
    }

    private static void Fuzz(string text, ulong seed)
    {
        using var folder = new TemporaryFolder();
        Run(Encoding.UTF8.GetBytes(text), seed, mutant =>
        {
            ModelConfiguration model = ConfigurationReader.Read(folder.Write("config.json", mutant));
            Assert.InRange(model.ParameterCount, 1, long.MaxValue);
            Assert.InRange(model.KvBytesPerToken(DType.F32), 0, long.MaxValue);
            Assert.True(double.IsFinite(model.FlopsPerToken(model.MaxPositions)));
        });
    }

    private static void Run(byte[] original, ulong seed, Action<byte[]> open)
    {
        open(original);
        var random = new CounterRandom(seed);
        int opened = 0, refused = 0;
        for (int i = 0; i < Mutants; i++)
        {
            byte[] mutant = Mutation.Apply(original, ref random);
            try
            {
                open(mutant);
                opened++;
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.True(opened > Mutants / 100 && refused > Mutants / 4, $"{opened} opened, {refused} refused");
    }
}
