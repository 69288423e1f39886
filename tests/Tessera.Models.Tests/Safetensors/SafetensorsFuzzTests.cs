using System.Buffers.Binary;
using System.Text;
using Tessera.Devices;
using Tessera.Models.Safetensors;
using static Tessera.Models.Tests.Safetensors.SafetensorsBytes;

namespace Tessera.Models.Tests.Safetensors;

public class SafetensorsFuzzTests
{
    private const int Mutants = 2000;

    [Fact]
    public unsafe void A_mutated_file_opens_within_its_bytes_or_is_refused()
    {
        using var folder = new TemporaryFolder();
        string entries = $"{Entry("a.b", "F32", "2,1", "0,8")},{Entry("\\u00e9", "BF16", "3", "8,14")},{Entry("s", "U8", "", "14,15")}";
        byte[] header = Encoding.UTF8.GetBytes($"{{\"__metadata__\":{{\"format\":\"pt\"}},{entries}}}");
        var random = new CounterRandom(20_260_101);
        int opened = 0, refused = 0;
        for (int i = 0; i < Mutants; i++)
        {
            byte[] mutant = Mutation.Apply(header, ref random);

            // Half of the mutants keep a true length, so that they reach the JSON and the layout checks.
            ulong length = random.Next(2) == 0 ? (ulong)mutant.Length : (ulong)header.Length;
            string path = folder.Write("m.safetensors", File(mutant, 15, length));
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                int sum = 0;
                foreach (SafetensorsTensor tensor in file.Tensors)
                {
                    byte* data = (byte*)file.Address(tensor.Name);
                    for (long b = 0; b < tensor.Bytes; b++)
                    {
                        sum += data[b];
                    }
                }

                Assert.Equal(15 * 14 / 2, sum);
                opened++;
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.True(opened > Mutants / 100 && refused > Mutants / 2, $"{opened} opened, {refused} refused");
    }

    [Fact]
    public void Random_bytes_are_refused()
    {
        using var folder = new TemporaryFolder();
        var random = new CounterRandom(5);
        for (int i = 0; i < 500; i++)
        {
            var bytes = new byte[random.Next(64)];
            for (int b = 0; b < bytes.Length; b++)
            {
                bytes[b] = (byte)random.Next(256);
            }

            if (bytes.Length >= 8 && i % 2 == 0)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)(bytes.Length - 8));
            }

            string path = folder.Write("m.safetensors", bytes);
            Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path));
        }
    }
}
